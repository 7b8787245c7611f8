"""How much of the variance over seeds is test-set noise.

Scores of runs on one test set vary for two reasons: the runs differ in quality, and by chance each
of them gets other rows right. `split_variance` separates the two (docs/statistics.md).

Seeds are independent draws of a training procedure, rows independent draws of a distribution. The
true score of a run is its score on that distribution. For accuracy, the split assumes nothing else:
neither independent errors nor normal scores. Other metrics are linearized in the rows.
"""

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from stablebert.report.statistics.metrics import score_runs, score_without_each_row
from stablebert.report.statistics.scores import MIN_RUNS, FloatArray, Interval
from stablebert.tasks.metrics import Metric

MIN_ROWS = 3
"""Minimum number of rows that have a variance without each of them."""


@dataclass(frozen=True, kw_only=True)
class VarianceSplit:
    """Variance of a cell's scores over seeds, and its two parts."""

    n: int
    """Number of runs."""
    rows: int
    """Number of rows of the test set, N."""
    total: float
    """Sample variance of the scores on this test set (divisor n - 1)."""
    noise: float
    """Part that a test set of this size produces by chance."""
    true: float
    """Variance of the runs' true scores, total - noise: unbiased, and thus below 0 at times."""
    sd: Interval
    """Standard deviation of the true scores, with its interval; 0 for a variance below 0."""

    @property
    def total_sd(self) -> float:
        """Sample standard deviation of the scores on this test set."""
        return sqrt(self.total)

    @property
    def noise_sd(self) -> float:
        """Standard deviation that the test set produces by chance."""
        return sqrt(self.noise)


def split_variance(
    metric: Metric | str, predictions: ArrayLike, labels: ArrayLike, *, level: float = 0.95
) -> VarianceSplit:
    """Split the variance of a score over seeds into test-set noise and instability.

    Args:
        metric: As in `score_runs`.
        predictions: Classes or scores of n runs for the same N rows, shape `(n, N)`, `MIN_RUNS` or
            more runs and `MIN_ROWS` or more rows. A run with a NaN scores 0 on whatever rows, as in
            its record: it differs in quality, and adds no noise.
        labels: Classes or scores, shape `(N,)`.
        level: Coverage of the interval.

    Raises:
        ValueError: If the metric is unknown, a shape is wrong, or a label is not finite.
    """
    return split_variance_of_rows(row_contributions(metric, predictions, labels), level=level)


def row_contributions(
    metric: Metric | str, predictions: ArrayLike, labels: ArrayLike
) -> FloatArray:
    """Return what each row contributes to each run's score: the mean over rows is the score.

    The jackknife's pseudo-values, s_i + (N - 1) (mean over k of s_i(-k), minus s_i(-j)), where
    s_i(-j) is the score of run i without row j. For accuracy that is 1 for a correct prediction and
    0 for a wrong one, exactly. For other metrics it is the score's linear approximation.

    Args:
        metric: As in `split_variance`.
        predictions: Shape `(n, N)`.
        labels: Shape `(N,)`.

    Returns:
        Contributions, shape `(n, N)`.

    References:
        Tukey, "Bias and Confidence in Not-Quite Large Samples", Annals of Mathematical Statistics
        29, 1958; Miller, "The Jackknife: A Review", Biometrika 61, 1974.
    """
    left_out = score_without_each_row(metric, predictions, labels)
    center = left_out.mean(axis=1, keepdims=True)
    scores = score_runs(metric, predictions, labels)[:, None]
    contributions: FloatArray = scores + (left_out.shape[1] - 1) * (center - left_out)
    return contributions


def split_variance_of_rows(contributions: ArrayLike, *, level: float = 0.95) -> VarianceSplit:
    """Split the variance over runs of the mean over rows.

    With s^2 the sample variance over runs of the means over rows, and v_j that of row j, both with
    divisor n - 1, the variance of the true scores is estimated by

        N / (N - 1) (s^2 - (v_1 + ... + v_N) / N^2).

    It is the mean over all pairs of different rows of their sample covariance over runs, and thus
    unbiased; the mean over all splits of the rows into halves of the covariance of the two halves'
    scores; and the component of runs in the analysis of variance of runs x rows.

    The interval is Bonett's for s^2, a normal interval for its logarithm, minus the noise. The
    variance of s^2 has two parts here: Bonett's, over seeds for these rows, and one over rows. It
    was chosen by its coverage: see docs/statistics.md.

    Args:
        contributions: What each row contributes to the score of each run, such as 1 for correct and
            0 for wrong, shape `(n, N)`, `MIN_RUNS` or more runs and `MIN_ROWS` or more rows.
        level: Coverage of the interval.

    Raises:
        ValueError: If the shape is wrong, or a value is not finite.

    References:
        Jordan, "On the Variance of Neural Network Training with respect to Test Sets and
        Distributions", ICLR 2024, Section 3.3, Theorem 2, Equation 3,
        https://arxiv.org/abs/2304.01910 (population variances there, sample variances here)

        Bonett, "Approximate Confidence Interval for Standard Deviation of Nonnormal Distributions",
        Computational Statistics & Data Analysis 50, 2006.
    """
    x = np.asarray(contributions, dtype=np.float64)
    if x.ndim != 2 or len(x) < MIN_RUNS or x.shape[1] < MIN_ROWS:
        raise ValueError(
            f"contributions have shape {x.shape}; need (n, N) with n at least {MIN_RUNS} "
            f"and N at least {MIN_ROWS}"
        )
    if not np.isfinite(x).all():
        raise ValueError(f"{np.sum(~np.isfinite(x))} of {x.size} contributions are not finite")
    n, rows = x.shape
    scores = x.mean(axis=1)
    total = float(scores.var(ddof=1)) if np.ptp(scores) > 1e-12 else 0.0  # 1e-12 is rounding
    noise = max(0.0, (float(x.var(axis=0, ddof=1).mean()) - total) / (rows - 1))
    low, high = _interval_of_variance(x, total, level) if total else (0.0, 0.0)
    sd = Interval(
        value=sqrt(max(0.0, total - noise)),
        low=sqrt(max(0.0, low - noise)),
        high=sqrt(max(0.0, high - noise)),
    )
    return VarianceSplit(n=n, rows=rows, total=total, noise=noise, true=total - noise, sd=sd)


def _interval_of_variance(x: FloatArray, total: float, level: float) -> tuple[float, float]:
    """Return the interval of the variance over seeds, s^2 > 0, of the mean over rows of `(n, N)`.

    c s^2 exp(-/+ c z sqrt(V) / s^2) with z the normal quantile, c = n / (n - z), and V the variance
    of s^2: over seeds s^4 (kurtosis - (n - 3) / n) / (n - 1), and over rows.
    """
    n = len(x)
    z = float(special.ndtri((1 + level) / 2))
    over_seeds = (_kurtosis(x.mean(axis=1)) - (n - 3) / n) / (n - 1)
    error = sqrt(over_seeds + _variance_over_rows(x) / total**2)
    c = n / (n - z)
    return c * total * exp(-c * z * error), c * total * exp(c * z * error)


def _kurtosis(scores: FloatArray) -> float:
    """Return Bonett's estimate of the kurtosis, around a trimmed mean, of scores `(n,)`."""
    n = len(scores)
    trim = int(n / (2 * sqrt(n - 4)))
    center = np.sort(scores)[trim : n - trim].mean()
    return float(n * ((scores - center) ** 4).sum() / ((scores - scores.mean()) ** 2).sum() ** 2)


def _variance_over_rows(x: FloatArray) -> float:
    """Return the variance over rows of the true variance that infinitely many seeds would give.

    The jackknife's, minus what the sampling of n seeds adds to it; 0 if that is more.
    """
    n, rows = x.shape
    deviations = x - x.mean(axis=0)
    products = deviations * deviations.mean(axis=1, keepdims=True)
    total = products.sum() / rows / (n - 1)
    covariances = products.sum(axis=0) / (n - 1)  # of a row with the score, over runs
    variances = (deviations**2).sum(axis=0) / (n - 1)
    # without each row, the true variance of the rest
    totals = (rows**2 * total - 2 * rows * covariances + variances) / (rows - 1) ** 2
    noise = (variances.sum() - variances) / (rows - 1) ** 2
    left_out = (rows - 1) / (rows - 2) * (totals - noise)
    jackknife = (rows - 1) * left_out.var()
    from_seeds = 4 / rows * n * products.var(axis=0, ddof=1).mean() / (n - 1) ** 2
    return max(0.0, float(jackknife - from_seeds))


def calibrated_noise(error: float, rows: int) -> float:
    """Return the test-set noise that Jordan's formula predicts for a binary task: error / (2 N).

    It holds for the variance of accuracy if the runs are calibrated together: of the rows for which
    a share q of the runs predicts class 1, a share q has it. Then two runs disagree as often as one
    errs, and a row's variance over runs is half of that on average.

    Args:
        error: Mean error rate of the runs, in 0..1.
        rows: Number of rows of the test set, N.

    References:
        Jordan (2024), Section 3.4, Theorem 3, Equation 6, https://arxiv.org/abs/2304.01910
    """
    return error / (2 * rows)
