"""Weights & Biases: mirrors of runs, sweeps, agents and dashboards."""
