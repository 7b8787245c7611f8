"""Ends of bias-corrected and accelerated (BCa) bootstrap intervals."""

import numpy as np
from scipy import special

from stablebert.report.statistics.scores import FloatArray, Interval


def bca_interval_of(
    estimate: float, samples: FloatArray, influences: list[FloatArray], level: float
) -> Interval:
    """Return an estimate with its BCa interval.

    The ends are quantiles of the bootstrap samples, at the levels
    Phi(z0 + (z0 + z) / (1 - c (z0 + z))) for z = Phi^-1((1 -/+ level) / 2). The bias correction is
    z0 = Phi^-1(share of samples below the estimate, equal ones counted half). The acceleration is
    c = sum(l^3) / (6 sum(l^2)^(3/2)) over the influences l, a sixth of the estimate's skewness. If
    every influence is 0, nothing varies, and the interval is a point.

    Args:
        estimate: Statistic of the data.
        samples: The same statistic of resampled data, shape `(resamples,)`.
        influences: One array per resampled factor, each of shape `(levels,)`: change of the
            estimate per added copy of a level, with mean 0.
        level: Coverage of the interval.

    References:
        Efron, "Better Bootstrap Confidence Intervals", JASA 82, 1987.
    """
    effects = np.concatenate(influences)
    if not effects.any():
        return Interval(value=estimate, low=estimate, high=estimate)
    gap = estimate - samples
    gap[abs(gap) <= 1e-12 * abs(samples).max()] = 0.0  # equal up to rounding
    finite = 0.5 / len(samples)  # if all samples are on one side
    z0 = special.ndtri(np.clip((1 + np.sign(gap).mean()) / 2, finite, 1 - finite))
    acceleration = (effects**3).sum() / (6 * (effects**2).sum() ** 1.5)
    z = z0 + special.ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(samples, special.ndtr(z0 + z / (1 - acceleration * z)))
    return Interval(value=estimate, low=float(low), high=float(high))
