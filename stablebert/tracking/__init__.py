"""Runs and sweeps in Weights & Biases; the only package that uses its client."""
