"""Equivalence of two cells: two one-sided tests against a margin.

A difference that is not significant is not evidence of equality: few runs find no difference
between anything. An equivalence test makes the claim itself, that the true difference of means is
smaller than a margin, and errs with probability alpha at most.

Conventions as in `scores`: `a` is the baseline, `b` the cell compared with it, and the difference
is m_b - m_a. The margin has the unit of the scores: 0.01 is one point for scores in 0..1. It must
be stated before the scores are seen.
"""

from dataclasses import dataclass
from math import comb, sqrt

from numpy.typing import ArrayLike
from scipy import special

from stablebert.report.statistics.paired import paired_differences
from stablebert.report.statistics.scores import ALPHA, Interval, as_scores, moments, welch_error


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Result of two one-sided tests."""

    margin: float
    difference: Interval
    """m_b - m_a with its interval of coverage 1 - 2 alpha (90%). It is inside -margin..margin
    exactly if both tests reject."""
    p_lower: float
    """One-sided p-value against a true difference of -margin or less."""
    p_upper: float
    """One-sided p-value against a true difference of +margin or more."""
    p_zero: float
    """Two-sided p-value against a true difference of 0."""

    @property
    def p(self) -> float:
        """P-value of the claim of equivalence, the larger of both."""
        return max(self.p_lower, self.p_upper)


def welch_equivalence(
    a: ArrayLike, b: ArrayLike, *, margin: float, alpha: float = ALPHA
) -> Equivalence:
    """Return the result of two one-sided Welch tests of independent cells.

    p_lower = P(T_df > (m_b - m_a + margin) / e) and p_upper = P(T_df < (m_b - m_a - margin) / e),
    with e and df as in `scores.mean_difference`. Assumes normal scores; variances may differ. If no
    score varies and the difference is inside the margin, each p-value is that of the permutation
    test: one of all ways to divide the runs into two cells separates the shifted cells.

    Args:
        a: Scores of the baseline, shape `(n_a,)`, two runs or more.
        b: Scores of the other cell, shape `(n_b,)`, two runs or more.
        margin: Largest difference of means that does not matter, in the unit of the scores.
        alpha: Level of the claim.

    Raises:
        ValueError: If the margin is not positive or the scores are not valid.

    References:
        Schuirmann, "A Comparison of the Two One-Sided Tests Procedure and the Power Approach",
        Journal of Pharmacokinetics and Biopharmaceutics 15, 1987. Lakens, "Equivalence Tests",
        Social Psychological and Personality Science 8, 2017,
        https://doi.org/10.1177/1948550617697177
    """
    smallest_p = 1 / comb(len(as_scores(a)) + len(as_scores(b)), len(as_scores(a)))
    return _test_margin(*welch_error(a, b), smallest_p, margin, alpha)


def paired_equivalence(
    a: ArrayLike, b: ArrayLike, *, margin: float, alpha: float = ALPHA
) -> Equivalence:
    """Return the result of two one-sided paired t-tests of cells that share seeds.

    As `welch_equivalence` with e = s_d / sqrt(n), df = n - 1, and d the differences per seed.
    Assumes normal differences. If no difference varies, each p-value is that of the sign-flip test,
    2^-n. Shapes `(n,)`, two seeds or more, in the same order.
    """
    mean, variance, n = moments(paired_differences(a, b, at_least=2))
    return _test_margin(mean, sqrt(variance / n), float(n - 1), 0.5**n, margin, alpha)


def _test_margin(
    difference: float, error: float, df: float, smallest_p: float, margin: float, alpha: float
) -> Equivalence:
    """Return both one-sided tests; `smallest_p` is the p-value if no score varies."""
    if not margin > 0:
        raise ValueError(f"margin={margin}: must be positive, in the unit of the scores")

    def upper_tail(distance: float) -> float:
        if error:
            return float(special.stdtr(df, -distance / error))
        return smallest_p if distance > 1e-9 * margin else 1.0

    half = error * float(special.stdtrit(df, 1 - alpha))
    return Equivalence(
        margin=margin,
        difference=Interval(value=difference, low=difference - half, high=difference + half),
        p_lower=upper_tail(difference + margin),
        p_upper=upper_tail(margin - difference),
        p_zero=min(1.0, 2 * upper_tail(abs(difference))),
    )
