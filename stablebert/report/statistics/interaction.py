"""Difference of two differences of means: whether one factor changes the effect of another."""

from math import sqrt

from numpy.typing import ArrayLike
from scipy import special

from stablebert.report.statistics.scores import Interval, welch_error


def difference_of_differences(
    first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike], level: float = 0.95
) -> tuple[Interval, float]:
    """Return (m_b - m_a of the second pair) - (m_b - m_a of the first), and its p-value.

    Welch's test for a contrast of four independent cells: with the errors e_1 and e_2 of both
    differences and their degrees of freedom df_1 and df_2, e^2 = e_1^2 + e_2^2 and
    df = e^4 / (e_1^4 / df_1 + e_2^4 / df_2) (Satterthwaite). Assumes normal scores; variances may
    differ. If no score varies, the p-value is 1: such runs say nothing about their precision.

    Args:
        first: Scores of the baseline and of the other cell, two runs or more in each.
        second: The same of another pair.
        level: Coverage of the interval.

    Returns:
        The contrast with its interval, and the two-sided p-value of no difference.

    References:
        Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", Biometrics
        Bulletin 2, 1946.
    """
    (value_1, error_1, df_1), (value_2, error_2, df_2) = welch_error(*first), welch_error(*second)
    value, square = value_2 - value_1, error_1**2 + error_2**2
    if not square:
        return Interval(value=value, low=value, high=value), 1.0
    error, df = sqrt(square), square**2 / (error_1**4 / df_1 + error_2**4 / df_2)
    half = error * float(special.stdtrit(df, (1 + level) / 2))
    p = 2 * float(special.stdtr(df, -abs(value) / error))
    return Interval(value=value, low=value - half, high=value + half), p
