"""Statistics of scores over seeds.

Conventions: `a` with shape `(n_a,)` holds the scores of the baseline's runs and `b` with shape
`(n_b,)` those of the cell compared with it, one score per seed, higher is better. Runs are
independent. Tests are two-sided, except for the paper's. A score that is not finite is an error: a
run whose loss became NaN is a failed run with a score, never a gap.

m, s^2, and n are a cell's mean, sample variance (divisor n - 1), and number of runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, copysign, inf, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats takes longer to import than a table takes to make

FloatArray = NDArray[np.float64]
ALPHA = 0.05
POWER = 0.8
IQM_MIN_RUNS = 10
"""Minimum number of runs for an interquartile mean."""
MIN_RUNS = 5
"""Minimum number of runs per cell for a verdict.

With fewer, runs that fail by chance look like an effect: if half of all runs fail, one of 32 pairs
of equal cells has three failures against none.
"""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and the ends of its interval."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> "Interval":
        """Return the interval in another unit; the factor is positive, such as 100."""
        return Interval(value=factor * self.value, low=factor * self.low, high=factor * self.high)


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Result of a test of two cells."""

    t: float
    """Student's t, positive if the second cell has the higher value."""
    p: float
    """Two-sided p-value."""


def as_scores(values: ArrayLike, at_least: int = 1) -> FloatArray:
    """Return scores as float64, shape `(n,)`.

    Raises:
        ValueError: If the scores are not one-dimensional, not finite, or fewer than `at_least`.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < at_least:
        raise ValueError(f"scores have shape {x.shape}; need (n,) with n at least {at_least}")
    if not np.isfinite(x).all():
        raise ValueError(f"{np.sum(~np.isfinite(x))} of {len(x)} scores are not finite")
    return x


def moments(values: ArrayLike, at_least: int = 2) -> tuple[float, float, int]:
    """Return mean, sample variance, and number of scores of shape `(n,)`."""
    x = as_scores(values, at_least)
    if np.ptp(x) == 0:  # rounding would leave a variance of 1e-33, and t would divide by its root
        return float(x[0]), 0.0, len(x)
    return float(x.mean()), float(x.var(ddof=1)), len(x)


# ---------------------------------------------------------------- one cell


@dataclass(frozen=True, kw_only=True)
class Description:
    """Summary of a cell's scores."""

    n: int
    mean: float
    sd: float
    """Sample standard deviation (divisor n - 1), NaN for one run."""
    median: float
    min: float
    max: float


def describe_scores(values: ArrayLike) -> Description:
    """Return number, mean, sample standard deviation, median, and range of scores `(n,)`."""
    x = as_scores(values)
    mean, variance, n = moments(x, at_least=1)
    return Description(
        n=n,
        mean=mean,
        sd=sqrt(variance) if n > 1 else nan,
        median=float(np.median(x)),
        min=float(x.min()),
        max=float(x.max()),
    )


def interquartile_mean(
    values: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> Interval:
    """Return the mean of the middle half of the scores, with a percentile bootstrap interval.

    Drops floor(n / 4) runs at either end, then averages. The interval holds the quantiles
    (1 - level) / 2 and (1 + level) / 2 of the same mean over cells of n runs drawn with
    replacement. The interquartile mean does not see up to a quarter of failed runs, so reports
    show it next to the mean and base no verdict on it.

    Args:
        values: At least `IQM_MIN_RUNS` scores, shape `(n,)`.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap cells.
        level: Coverage of the interval.

    References:
        Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
        NeurIPS 2021, https://arxiv.org/abs/2108.13264
    """
    x = as_scores(values, at_least=IQM_MIN_RUNS)
    middle = slice(len(x) // 4, len(x) - len(x) // 4)
    samples = np.random.default_rng(seed).choice(x, (resamples, len(x)))
    means = np.sort(samples, axis=1)[:, middle].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=float(np.sort(x)[middle].mean()), low=float(low), high=float(high))


def expected_best_of_k(
    validation: ArrayLike, test: ArrayLike, ks: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the test score of the run with the best validation score among k: mean and sd.

    The k runs are drawn with replacement from n, as in the paper's Fig. 4, in closed form. The best
    of k validation scores is at most v with probability (r / n)^k, where r runs score at most v.
    So a run whose validation score v is shared by u runs, and undercut by r - u, is selected with
    probability ((r / n)^k - ((r - u) / n)^k) / u. With `test` equal to `validation` the result is
    the expected best of k of Dodge et al., the paper's Fig. 12.

    Args:
        validation: Validation scores, shape `(n,)`.
        test: Test scores of the same runs, shape `(n,)`.
        ks: Numbers of draws, shape `(m,)`.

    Returns:
        Expectation and standard deviation over draws, each of shape `(m,)`.

    Raises:
        ValueError: If the numbers of scores differ, or a k is below 1.

    References:
        Dodge et al., "Show Your Work: Improved Reporting of Experimental Results", EMNLP 2019,
        https://arxiv.org/abs/1909.03004
    """
    val, scores, k = as_scores(validation), as_scores(test), np.atleast_1d(np.asarray(ks))
    if len(val) != len(scores):
        raise ValueError(f"{len(val)} validation scores but {len(scores)} test scores")
    if k.min() < 1:
        raise ValueError(f"k={k.min()}; need at least 1 draw")
    ascending = np.sort(val)
    below = np.searchsorted(ascending, val, side="left")  # runs with a lower score, (n,)
    up_to = np.searchsorted(ascending, val, side="right")  # runs with at most this score, (n,)
    power = k[:, None]
    share = (up_to / len(val)) ** power - (below / len(val)) ** power
    p = share / (up_to - below)  # probability that a run is selected, (m, n)
    mean = p @ scores
    return mean, np.sqrt((p * (scores - mean[:, None]) ** 2).sum(axis=1))


# ---------------------------------------------------------------- two cells


def mean_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Interval:
    """Return the difference of means m_b - m_a with Welch's two-sided interval.

    m_b - m_a -/+ t_df((1 + level) / 2) e, where e^2 = s_a^2 / n_a + s_b^2 / n_b and
    df = e^4 / ((s_a^2 / n_a)^2 / (n_a - 1) + (s_b^2 / n_b)^2 / (n_b - 1)).
    Assumes normal scores; variances may differ. Needs two runs per cell.

    Args:
        a: Scores of the baseline, shape `(n_a,)`.
        b: Scores of the other cell, shape `(n_b,)`.
        level: Coverage of the interval.

    References:
        Welch, "The Generalization of 'Student's' Problem when Several Different Population
        Variances are Involved", Biometrika 34, 1947.
    """
    value, error, df = welch_error(a, b)
    half = error * float(special.stdtrit(df, (1 + level) / 2))
    return Interval(value=value, low=value - half, high=value + half)


def welch_test(a: ArrayLike, b: ArrayLike) -> Contrast:
    """Return the result of Welch's t-test for different means.

    t = (m_b - m_a) / e, with e and df as in `mean_difference`. Shapes `(n_a,)` and `(n_b,)`, two
    runs or more in each.
    """
    return _two_sided(*welch_error(a, b), runs=(len(as_scores(a)), len(as_scores(b))))


def student_test(a: ArrayLike, b: ArrayLike) -> float:
    """Return the one-tailed p-value of Student's t-test that `b` has the higher mean.

    t = (m_b - m_a) / (s sqrt(1 / n_a + 1 / n_b)) with df = n_a + n_b - 2 and the pooled variance
    s^2 = ((n_a - 1) s_a^2 + (n_b - 1) s_b^2) / df. Assumes normal scores of equal variance. This is
    the paper's test (Tables 1, 2, and 7). Shapes `(n_a,)` and `(n_b,)`, two runs or more in each.
    If no score varies, the p-value is 0, 1, or 1/2 (equal means).
    """
    difference = moments(b)[0] - moments(a)[0]
    error, df = _pooled_error(a, b)
    return float(special.stdtr(df, -_ratio(difference, error)))


def welch_error(a: ArrayLike, b: ArrayLike) -> tuple[float, float, float]:
    """Return m_b - m_a, its standard error, and Welch's degrees of freedom."""
    (mean_a, var_a, n_a), (mean_b, var_b, n_b) = moments(a), moments(b)
    square = var_a / n_a + var_b / n_b
    within = (var_a / n_a) ** 2 / (n_a - 1) + (var_b / n_b) ** 2 / (n_b - 1)
    return mean_b - mean_a, sqrt(square), square**2 / within if within else float(n_a + n_b - 2)


def _pooled_error(a: ArrayLike, b: ArrayLike) -> tuple[float, int]:
    """Return the standard error of m_b - m_a under equal variances, and its degrees of freedom."""
    (_, var_a, n_a), (_, var_b, n_b) = moments(a), moments(b)
    df = n_a + n_b - 2
    variance = ((n_a - 1) * var_a + (n_b - 1) * var_b) / df
    return sqrt(variance * (1 / n_a + 1 / n_b)), df


def _two_sided(difference: float, error: float, df: float, runs: tuple[int, int]) -> Contrast:
    """Return t = difference / error and its p-value.

    If no score varies, t is infinite, and the p-value is that of the permutation test: two of all
    ways to divide the runs into two cells separate them like this.
    """
    t = _ratio(difference, error)
    p = 2 * float(special.stdtr(df, -abs(t))) if error or not t else 2 / comb(sum(runs), runs[0])
    return Contrast(t=t, p=p)


def _ratio(difference: float, error: float) -> float:
    return difference / error if error else copysign(inf, difference) if difference else 0.0


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """Return P(b > a) + P(b = a) / 2 for a random run of each cell.

    The mean over all n_a n_b pairs, that is, the Mann-Whitney U statistic over n_a n_b. Shapes
    `(n_a,)` and `(n_b,)`. Used by Agarwal et al. (2021) as "probability of improvement".
    """
    gap = as_scores(b)[:, None] - as_scores(a)
    return float((np.sign(gap).mean() + 1) / 2)


def spread_ratio(a: ArrayLike, b: ArrayLike) -> float:
    """Return the ratio of sample standard deviations s_b / s_a, NaN for 0 / 0."""
    sd_a, sd_b = sqrt(moments(a)[1]), sqrt(moments(b)[1])
    return sd_b / sd_a if sd_a else inf if sd_b else nan


def brown_forsythe_test(a: ArrayLike, b: ArrayLike) -> Contrast:
    """Return the result of the Brown-Forsythe test for different spreads.

    A t-test between the distances |x - median|, which tolerates non-normal scores. It is Welch's,
    not Student's as in Levene's F: if one cell has no failed run and the other a few, the variances
    of the distances differ, and Student's p-values would be several times too small.

    Args:
        a: Scores of the baseline, shape `(n_a,)`, `MIN_RUNS` or more: distances of few runs are not
            free (those of two runs are equal).
        b: Scores of the other cell, shape `(n_b,)`, `MIN_RUNS` or more.

    Returns:
        The result, whose t is positive if `b` varies more.

    References:
        Brown and Forsythe, "Robust Tests for the Equality of Variances", JASA 69, 1974.
    """
    x, y = as_scores(a, MIN_RUNS), as_scores(b, MIN_RUNS)
    return welch_test(abs(x - np.median(x)), abs(y - np.median(y)))


def spread_permutation_test(
    a: ArrayLike, b: ArrayLike, *, seed: int, permutations: int = 20_000
) -> float:
    """Return the p-value of the Brown-Forsythe test by permuting the scores of both cells.

    It is right whatever the distribution, if both cells have the same one. The p-value of
    `brown_forsythe_test` is not if a part of the runs fails: where half of them do, the median is
    between the two groups of scores, all distances from it are equal, and t is far too large.

    Args:
        a: Scores of the baseline, shape `(n_a,)`, two runs or more.
        b: Scores of the other cell, shape `(n_b,)`, two runs or more.
        seed: Seed of the permutations.
        permutations: Number of random permutations.
    """
    x, y = as_scores(a, 2), as_scores(b, 2)
    scores = np.tile(np.concatenate([x, y]), (permutations + 1, 1))
    scores[1:] = np.random.default_rng(seed).permuted(scores[1:], axis=1)  # row 0 as it is
    cells = scores[:, : len(x)], scores[:, len(x) :]
    distances = [abs(cell - np.median(cell, axis=1, keepdims=True)) for cell in cells]
    difference = abs(distances[1].mean(axis=1) - distances[0].mean(axis=1))
    error = np.sqrt(sum(d.var(axis=1, ddof=1) / d.shape[1] for d in distances))
    t = difference / np.maximum(error, 1e-9)  # rounding leaves an error of about 1e-15
    return float(np.mean(t >= t[0] - 1e-9))


def detectable_difference(
    a: ArrayLike, b: ArrayLike, alpha: float = ALPHA, power: float = POWER
) -> float:
    """Return the smallest true difference of means that these numbers of runs would detect.

    Solves P(T > t_df(1 - alpha / 2)) = power for the noncentrality d of Student's test, then
    returns d s sqrt(1 / n_a + 1 / n_b). Takes the pooled s of the cells for the true one.

    Args:
        a: Scores of the baseline, shape `(n_a,)`, two runs or more.
        b: Scores of the other cell, shape `(n_b,)`, two runs or more.
        alpha: Level of the two-sided test.
        power: Probability of detecting the difference.
    """
    error, df = _pooled_error(a, b)
    critical = special.stdtrit(df, 1 - alpha / 2)
    return float(special.nctdtrinc(df, 1 - power, critical)) * error


# ---------------------------------------------------------------- many cells


def holm_adjust(p: ArrayLike) -> FloatArray:
    """Return Holm's adjusted p-values of a family, shape `(m,)`.

    The i-th smallest p-value becomes max over j <= i of (m - j + 1) p_(j), at most 1. Rejecting
    adjusted values of at most alpha bounds the probability of any false rejection by alpha,
    whatever the dependence of the tests.

    Raises:
        ValueError: If a p-value is not in 0..1, or the shape is not `(m,)`.

    References:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
        Statistics 6, 1979.
    """
    x = np.asarray(p, dtype=np.float64)
    if x.ndim != 1 or not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"p-values must be in 0..1 and have shape (m,), got {x}")
    order = np.argsort(x, kind="stable")
    adjusted_p = np.empty_like(x)
    adjusted_p[order] = np.maximum.accumulate(x[order] * np.arange(len(x), 0, -1))
    return np.minimum(adjusted_p, 1.0)


def marks_of_the_paper(cells: Sequence[ArrayLike], alpha: float = ALPHA) -> list[bool]:
    """Return which cells the paper would print bold.

    These are the cell with the best mean and every cell that it does not beat by the one-tailed
    Student test at level `alpha`, without correction for multiple tests.

    Args:
        cells: One array of shape `(n_i,)` per cell, two runs or more in each.
        alpha: Level of the test.
    """
    best = max(cells, key=lambda cell: moments(cell)[0])
    return [cell is best or student_test(cell, best) >= alpha for cell in cells]
