"""How far omitting bias correction shifts the curve of scores over learning rates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stablebert.report.statistics.scores import FloatArray, Interval

FACTORS = np.geomspace(1 / 2, 16, 101)
"""Factors that are tried, ascending; 1 is one of them."""
OVERLAP = 3
"""Smallest number of rates of each curve that must lie within the other one."""


@dataclass(frozen=True, kw_only=True)
class RateShift:
    """The factor between the learning rates at which two optimizers have the same scores."""

    factor: Interval
    """Estimate, with a 95% percentile interval of the bootstrap over seeds."""
    error: float
    """Root mean square difference of the curves' means after the shift, in points."""
    unshifted: float
    """The same without a shift."""


def rate_shift(
    rates: Sequence[float],
    scores: FloatArray,
    shifted: FloatArray,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> RateShift:
    """Estimate the f for which `shifted` at a rate r is like `scores` at f r.

    The estimate minimizes the mean squared difference of the two curves of means, one of them
    interpolated linearly in the logarithm of the rate, at all rates of both where they overlap.

    Args:
        rates: K learning rates, ascending.
        scores: Scores at these rates, shape `(n, K)`.
        shifted: Scores of the other optimizer at the same rates, shape `(m, K)`.
        draws: Resamples of the runs.
        seed: Seed of the resampling.
    """
    rng = np.random.default_rng(seed)
    curves = [
        np.stack([own.mean(axis=0), *(_resampled(own, rng) for _ in range(draws))], axis=1)
        for own in (scores, shifted)
    ]
    errors = _errors(np.log(rates), *curves)
    best, *factors = FACTORS[errors.argmin(axis=0)].tolist()
    low, high = np.quantile(factors, [0.025, 0.975])
    return RateShift(
        factor=Interval(value=best, low=float(low), high=float(high)),
        error=float(np.sqrt(errors[:, 0].min())),
        unshifted=float(np.sqrt(errors[np.abs(FACTORS - 1).argmin(), 0])),
    )


def _errors(x: FloatArray, curves: FloatArray, shifted: FloatArray) -> FloatArray:
    """Return the mean squared difference of pairs of curves after each shift.

    Args:
        x: Logarithms of the rates, shape `(K,)`.
        curves: Mean scores, shape `(K, D)`.
        shifted: Those of the other optimizer, shape `(K, D)`.

    Returns:
        Shape `(len(FACTORS), D)`; infinite where the curves do not overlap enough.
    """
    errors = np.full((len(FACTORS), curves.shape[1]), np.inf)
    for i, step in enumerate(np.log(FACTORS)):
        forth = (x + step >= x[0]) & (x + step <= x[-1])
        back = (x - step >= x[0]) & (x - step <= x[-1])
        if min(forth.sum(), back.sum()) >= OVERLAP:
            a = shifted[forth] - _interpolation(x[forth] + step, x) @ curves
            b = curves[back] - _interpolation(x[back] - step, x) @ shifted
            errors[i] = np.mean(np.concatenate([a, b]) ** 2, axis=0)
    return errors


def _interpolation(points: FloatArray, x: FloatArray) -> FloatArray:
    """Return the matrix that interpolates values at x linearly, shape `(len(points), len(x))`."""
    return np.stack([np.interp(points, x, unit) for unit in np.eye(len(x))], axis=1)


def _resampled(scores: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the means over runs, drawn with replacement at each rate."""
    rows = rng.integers(len(scores), size=scores.shape)
    means: FloatArray = np.take_along_axis(scores, rows, axis=0).mean(axis=0)
    return means
