"""Adam with a choice of bias corrections, Muon, SAM, parameter groups, the schedule of rates."""
