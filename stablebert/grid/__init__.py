"""Many runs: planning, worker processes and seed pruning."""
