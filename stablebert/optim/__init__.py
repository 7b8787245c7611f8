"""Adam with its bias correction as a switch, parameter groups, and the learning-rate schedule."""
