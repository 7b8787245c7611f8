"""Samples of scores for tests of statistics."""

import numpy as np


def normal(seed, n, mean=0.0, sd=1.0):
    """Return n scores drawn from a normal distribution."""
    return np.random.default_rng(seed).normal(mean, sd, n)


def unit_cell():
    """Twenty scores with mean 0 and sample standard deviation 1."""
    x = np.array([-1.0, 1.0] * 10)
    return x / x.std(ddof=1)
