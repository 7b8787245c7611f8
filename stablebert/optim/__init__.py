"""Adam with a bias-correction switch, parameter groups, and the learning-rate schedule."""
