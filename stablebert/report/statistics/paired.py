"""Comparison of two methods whose runs share seeds.

Runs with one seed start from the same head and see the same batches and dropout masks, so part of
what makes a run good or bad may be common to both methods. A paired analysis looks at the
differences per seed, from which the common part cancels.

Conventions as in `scores`: `a` and `b`, both of shape `(n,)` and in the same order of seeds, hold
the scores of the baseline and of the other method; d = b - a.
"""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike

from stablebert.report.statistics.bootstrap import bca_interval_of
from stablebert.report.statistics.scores import MIN_RUNS, FloatArray, Interval, as_scores, moments

EXACT_MAX_PAIRS = 20
"""Maximum number of unequal pairs for which the test enumerates all signs (a million)."""


@dataclass(frozen=True, kw_only=True)
class PairingGain:
    """Precision that pairing adds to the mean difference."""

    correlation: float
    """Pearson correlation of the pairs, NaN if the scores of a method do not vary."""
    variance_ratio: float
    """Variance of the mean difference with pairs over that without, s_d^2 / (s_a^2 + s_b^2): 0.5
    means that pairs need half as many runs; NaN if no score varies."""


def paired_differences(a: ArrayLike, b: ArrayLike, at_least: int = 1) -> FloatArray:
    """Return b - a, shape `(n,)`, to 12 decimals, so that equal differences are equal exactly.

    Raises:
        ValueError: If the numbers of scores differ or are below `at_least`, or a score is not
            finite.
    """
    x, y = as_scores(a, at_least), as_scores(b, at_least)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} and {len(y)} scores cannot be paired; give one per seed")
    return np.round(y - x, 12)


def sign_flip_test(a: ArrayLike, b: ArrayLike, *, seed: int, resamples: int = 20_000) -> float:
    """Return the two-sided p-value of the mean difference by flipping the signs of differences.

    If the method had no effect, each pair could as well have come out the other way round. The
    p-value is the share of all 2^n assignments of signs whose |mean| is at least the observed one,
    up to rounding. Pairs with equal scores are the same under both signs and change nothing; if all
    are, p = 1. With more than `EXACT_MAX_PAIRS` unequal pairs, m random assignments replace the
    enumeration, and p = (k + 1) / (m + 1) where k of them are as extreme. The smallest possible
    value is 2 / 2^n, so five pairs cannot reach 0.05.

    Args:
        a: Scores of the baseline, shape `(n,)`.
        b: Scores of the other method on the same seeds, shape `(n,)`.
        seed: Seed of the random assignments.
        resamples: Number m of random assignments.

    References:
        Fisher, "The Design of Experiments", 1935, section 21. Phipson and Smyth, "Permutation
        P-values Should Never Be Zero", 2010, https://arxiv.org/abs/1603.05766
    """
    d = paired_differences(a, b)
    d = d[d != 0]
    extreme = abs(d.sum()) - 1e-9 * abs(d).sum()  # sums of equal scores differ by rounding
    if len(d) > EXACT_MAX_PAIRS:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (resamples, len(d)))
        return float((np.sum(abs(signs @ d) >= extreme) + 1) / (resamples + 1))
    if extreme <= 0:
        return 1.0
    # each sum adds one of the first half to one of the second, and has its negative among them
    first, second = _signed_sums(d[::2]), np.sort(_signed_sums(d[1::2]))
    lower = np.searchsorted(second, -extreme - first, side="right").sum()
    return float(2 * lower / (len(first) * len(second)))


def _signed_sums(values: FloatArray) -> FloatArray:
    """Return the sums of values `(n,)` under all assignments of signs, shape `(2^n,)`."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def bca_interval(
    a: ArrayLike, b: ArrayLike, *, seed: int, resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """Return the mean difference with its BCa bootstrap interval.

    The bootstrap samples are means of n differences drawn with replacement; `bootstrap` has the
    formula. If all differences are equal, the interval is a point: such a sample says nothing about
    its own precision.

    Args:
        a: Scores of the baseline, shape `(n,)`, `MIN_RUNS` or more.
        b: Scores of the other method on the same seeds, shape `(n,)`.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap samples.
        level: Coverage of the interval.
    """
    mean, variance, n = moments(d := paired_differences(a, b, MIN_RUNS))
    means = np.random.default_rng(seed).choice(d, (resamples, n)).mean(axis=1)
    influences = (d - mean) / n if variance else np.zeros(n)
    return bca_interval_of(mean, means, [influences], level)


def pairing_gain(a: ArrayLike, b: ArrayLike) -> PairingGain:
    """Return the correlation of the pairs and the variance that pairing leaves.

    With equal spreads the variance ratio is 1 - correlation: pairs that do not correlate gain
    nothing, and cost half the degrees of freedom.

    Args:
        a: Scores of the baseline, shape `(n,)`, two or more.
        b: Scores of the other method on the same seeds, shape `(n,)`.
    """
    paired = moments(paired_differences(a, b, at_least=2))[1]
    var_a, var_b = moments(a)[1], moments(b)[1]
    return PairingGain(
        correlation=float(np.corrcoef(as_scores(a), as_scores(b))[0, 1])
        if var_a and var_b
        else nan,
        variance_ratio=paired / (var_a + var_b) if var_a or var_b else nan,
    )
