"""The statistics of a table: pure functions of scores over seeds, numpy and scipy only.

One convention: `a` of shape `(n_a,)` holds the runs of the baseline, `b` of shape `(n_b,)` those of
the cell that is compared with it, one score per seed, higher is better. One-tailed p-values are of
"`b` is better" (or less variable). A score that is not a finite number is refused: a run that gave
none is a failed run with score 0, never a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats alone takes longer to load than a table to make

Floats = NDArray[np.float64]
ALPHA, POWER = 0.05, 0.8
IQM_FROM = 10
"""Fewest runs of which an interquartile mean is given."""


def scores(values: ArrayLike, at_least: int = 1) -> Floats:
    """Scores of shape `(n,)` as float64.

    Raises:
        ValueError: not one-dimensional, fewer than `at_least`, or not all finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < at_least:
        raise ValueError(f"scores have shape {x.shape}; should be (n,), n of at least {at_least}")
    if not np.isfinite(x).all():
        raise ValueError(f"{np.sum(~np.isfinite(x))} of {len(x)} scores are not finite numbers")
    return x


def _moments(values: ArrayLike, at_least: int = 2) -> tuple[float, float, int]:
    """Mean, sample variance and number of scores `(n,)`."""
    x = scores(values, at_least)
    if np.ptp(x) == 0:  # exactly: rounding would leave a variance of 1e-33, and t its root's worth
        return float(x[0]), 0.0, len(x)
    return float(x.mean()), float(x.var(ddof=1)), len(x)


# ---------------------------------------------------------------- one cell


@dataclass(frozen=True)
class Description:
    """A cell's scores: `sd` is the sample deviation (n - 1), NaN for one run."""

    n: int
    mean: float
    sd: float
    median: float
    min: float
    max: float


def describe(values: ArrayLike) -> Description:
    """Number, mean, sample standard deviation, median and range of scores `(n,)`."""
    x = scores(values)
    mean, variance, n = _moments(x, at_least=1)
    sd = sqrt(variance) if n > 1 else nan
    return Description(n, mean, sd, float(np.median(x)), float(x.min()), float(x.max()))


def interquartile_mean(
    values: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of the middle half of scores `(n,)`, and its percentile bootstrap interval.

    A quarter of the runs, rounded down, is dropped at either end (Agarwal et al., 2021). It cannot
    see that a quarter of the runs failed, so it stands beside a mean, and judges nothing.

    Args:
        values: At least ten scores.
        seed: Of the resampling; the same seed gives the same interval.
        resamples: Number of resampled cells.
        level: Coverage of the interval.

    Returns:
        The mean, and the lower and upper end of its interval.
    """
    x = scores(values, at_least=IQM_FROM)
    drawn = np.random.default_rng(seed).choice(x, (resamples, len(x)))
    middle = slice(len(x) // 4, len(x) - len(x) // 4)
    means = np.sort(drawn, axis=1)[:, middle].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(np.sort(x)[middle].mean()), float(low), float(high)


def chosen_of(validation: ArrayLike, test: ArrayLike, ks: ArrayLike) -> tuple[Floats, Floats]:
    """Test score of the run with the best validation among k drawn: mean and deviation.

    The closed form of the resampling in Fig. 4 of the paper, k draws with replacement from n runs.
    The best of k lies at or below a validation score that r runs do not exceed with probability
    (r/n)^k; runs that share a validation score share what falls to it. With `test` = `validation`
    it is the expected best of k of Dodge et al. (2019), the paper's Fig. 12.

    Args:
        validation: Shape `(n,)`.
        test: Shape `(n,)`, of the same runs.
        ks: Numbers of draws, shape `(m,)`.

    Returns:
        Expectation and standard deviation over draws, each of shape `(m,)`.
    """
    val, tested, k = scores(validation), scores(test), np.atleast_1d(np.asarray(ks))
    if len(val) != len(tested):
        raise ValueError(f"{len(val)} validation scores and {len(tested)} test scores")
    if k.min() < 1:
        raise ValueError(f"k={k.min()} draws; should be at least 1")
    ordered = np.sort(val)
    below = np.searchsorted(ordered, val, side="left")  # runs with a lower validation score, (n,)
    upto = np.searchsorted(ordered, val, side="right")
    power = k[:, None]
    share = (upto / len(val)) ** power - (below / len(val)) ** power
    p = share / (upto - below)  # (m, n)
    mean = p @ tested
    return mean, np.sqrt((p * (tested - mean[:, None]) ** 2).sum(axis=1))


def p_chance(metric: str, score: float, rows: int, majority: float) -> float:
    """One-sided p-value of a run's score against knowing nothing.

    * `accuracy`: as many right of `rows` or more, when each is right with the share of the majority
      class (binomial, exact).
    * `mcc`: rows * MCC^2 is the chi-squared statistic of the 2x2 table of labels and predictions;
      its signed root is standard normal when they are independent.
    * `spearman`, `pearson`: Student's t of a correlation, rows - 2 degrees of freedom.

    F1 has no simple distribution; judge such a task by its accuracy.

    Raises:
        ValueError: another metric.
    """
    if metric == "accuracy":
        right = round(score * rows)
        return float(special.bdtrc(right - 1, rows, majority)) if right else 1.0
    if metric == "mcc":
        return float(special.ndtr(-score * sqrt(rows)))
    if metric in ("spearman", "pearson"):
        t = score * sqrt((rows - 2) / (1 - score**2)) if abs(score) < 1 else score * inf
        return float(special.stdtr(rows - 2, -t))
    raise ValueError(f"{metric} has no test against chance; accuracy, mcc, spearman, pearson have")


# ---------------------------------------------------------------- two cells


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float


def _welch(a: ArrayLike, b: ArrayLike) -> tuple[float, float, float]:
    """Difference of means b - a, its standard error and Welch's degrees of freedom."""
    (mean_a, var_a, n_a), (mean_b, var_b, n_b) = _moments(a), _moments(b)
    square = var_a / n_a + var_b / n_b
    within = (var_a / n_a) ** 2 / (n_a - 1) + (var_b / n_b) ** 2 / (n_b - 1)
    return mean_b - mean_a, sqrt(square), square**2 / within if within else float(n_a + n_b - 2)


def _tail(difference: float, error: float, df: float) -> float:
    """P(T >= difference / error) of Student's t; where nothing varies, 0, 1, or 1/2 if equal."""
    t = difference / error if error else (inf * difference if difference else 0.0)
    return float(special.stdtr(df, -t))


def difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Interval:
    """Mean of `b` `(n_b,)` minus that of `a` `(n_a,)`, with Welch's interval; two runs or more."""
    value, error, df = _welch(a, b)
    half = error * float(special.stdtrit(df, (1 + level) / 2))
    return Interval(value, value - half, value + half)


def welch(a: ArrayLike, b: ArrayLike) -> float:
    """One-tailed p of Welch's t-test that `b` has the higher mean; `(n_a,)`, `(n_b,)`."""
    return _tail(*_welch(a, b))


def student(a: ArrayLike, b: ArrayLike) -> float:
    """One-tailed p of Student's t-test (equal variances) that `b` has the higher mean.

    The paper's test (Tables 1, 2 and 7). Shapes `(n_a,)` and `(n_b,)`, two runs or more.
    """
    (mean_a, var_a, n_a), (mean_b, var_b, n_b) = _moments(a), _moments(b)
    df = n_a + n_b - 2
    pooled = ((n_a - 1) * var_a + (n_b - 1) * var_b) / df
    return _tail(mean_b - mean_a, sqrt(pooled * (1 / n_a + 1 / n_b)), df)


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """Share of pairs in which `b` is higher, ties for half; `(n_a,)`, `(n_b,)`."""
    gap = scores(b)[:, None] - scores(a)
    return float((np.sign(gap).mean() + 1) / 2)


def brown_forsythe(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Is `b` less variable than `a`? Levene's test about the medians, one-sided.

    With two cells its F is the square of Student's t between the distances from the medians, so the
    sign of that t makes it one-sided. Identical runs in both give p = 1/2.

    Args:
        a: Shape `(n_a,)`, two runs or more.
        b: Shape `(n_b,)`, two runs or more.

    Returns:
        The ratio of the deviations, sd(b) / sd(a), NaN of 0 / 0; and the p-value, NaN below five
        runs, where the distances have too little freedom (those of two runs are equal).
    """
    x, y = scores(a, 2), scores(b, 2)
    p = student(abs(y - np.median(y)), abs(x - np.median(x))) if min(len(x), len(y)) > 4 else nan
    sd_a, sd_b = (sqrt(_moments(cell)[1]) for cell in (x, y))
    return (sd_b / sd_a if sd_a else inf if sd_b else nan), p


def detectable(a: ArrayLike, b: ArrayLike, alpha: float = ALPHA, power: float = POWER) -> float:
    """Smallest true difference that this many runs, this variable, would show.

    Of the one-tailed Student test at level `alpha` with probability `power`; the deviation is the
    pooled one of `a` `(n_a,)` and `b` `(n_b,)`, taken for the true one.
    """
    (_, var_a, n_a), (_, var_b, n_b) = _moments(a), _moments(b)
    df = n_a + n_b - 2
    pooled = ((n_a - 1) * var_a + (n_b - 1) * var_b) / df
    critical = special.stdtrit(df, 1 - alpha)
    shift = special.nctdtrinc(
        df, 1 - power, critical
    )  # noncentrality at which it is passed so often
    return float(shift) * sqrt(pooled * (1 / n_a + 1 / n_b))


# ---------------------------------------------------------------- many cells


def holm(p: ArrayLike) -> Floats:
    """Holm's adjusted p-values of a family `(m,)`: at most alpha where Holm's procedure rejects."""
    x = np.asarray(p, dtype=np.float64)
    if x.ndim != 1 or not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"p-values should be numbers from 0 to 1 in shape (m,): {x}")
    order = np.argsort(x, kind="stable")
    adjusted = np.empty_like(x)
    adjusted[order] = np.maximum.accumulate(x[order] * np.arange(len(x), 0, -1))
    return np.minimum(adjusted, 1.0)


def not_worse_than_best(cells: Sequence[ArrayLike], alpha: float = ALPHA) -> list[bool]:
    """The paper's marks: the best mean, and every cell that it does not beat significantly.

    By the one-tailed Student test, uncorrected. "Not significantly worse" is what
    it says: too few seeds, and everything is.

    Args:
        cells: One array of shape `(n_i,)` per cell, two runs or more in each.
        alpha: Level of the test.
    """
    best = max(cells, key=lambda cell: _moments(cell)[0])
    return [cell is best or student(cell, best) >= alpha for cell in cells]


# ---------------------------------------------------------------- printed numbers


def t_from_summary(
    mean_1: float, sd_1: float, n_1: int, mean_2: float, sd_2: float, n_2: int
) -> float:
    """Student's t of mean_1 - mean_2 from means and sample deviations, as a table prints them."""
    pooled = ((n_1 - 1) * sd_1**2 + (n_2 - 1) * sd_2**2) / (n_1 + n_2 - 2)
    gap, error = mean_1 - mean_2, sqrt(pooled * (1 / n_1 + 1 / n_2))
    return gap / error if error else (inf * gap if gap else 0.0)


def t_interval(
    mean_1: float,
    sd_1: float,
    n_1: int,
    mean_2: float,
    sd_2: float,
    n_2: int,
    *,
    half: float = 0.05,
) -> tuple[float, float]:
    """Least and greatest `t_from_summary` of numbers that print as these.

    Args:
        mean_1: As printed, like the rest.
        sd_1: Sample deviation.
        n_1: Runs.
        mean_2: Of the second cell.
        sd_2: Of the second cell.
        n_2: Of the second cell.
        half: Half a unit of the last digit printed.
    """
    narrow = (max(sd_1 - half, 0.0), max(sd_2 - half, 0.0))
    ends = []
    for shift in (-half, half):
        for sds in (narrow, (sd_1 + half, sd_2 + half)):
            ends.append(t_from_summary(mean_1 + shift, sds[0], n_1, mean_2 - shift, sds[1], n_2))
    return min(ends), max(ends)
