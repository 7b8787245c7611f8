"""Tolerance of shares that simulations count."""

from math import sqrt

import pytest


def approx_share(p, n):
    """Match a share of n independent outcomes of probability p, within four standard errors."""
    return pytest.approx(p, abs=4 * sqrt(p * (1 - p) / n))
