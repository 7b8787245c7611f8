"""Equivalence tests by hand, against scipy, and at the margin."""

import math

import numpy as np
import pytest
import scipy.stats

from stablebert.report.statistics.equivalence import paired_equivalence, welch_equivalence
from tests.helpers.shares import approx_share

BOTH = pytest.mark.parametrize("test", [welch_equivalence, paired_equivalence])


def upper_tail_of_two(t):
    """Return P(T > t) for two degrees of freedom, which has a closed form."""
    return 0.5 - t / (2 * math.sqrt(2 + t**2))


def equivalent_share(test, trials, n, *, difference, margin):
    rng = np.random.default_rng(0)
    draws = ((rng.normal(0, 1, n), rng.normal(difference, 1, n)) for _ in range(trials))
    return np.mean([test(*scores, margin=margin).p < 0.05 for scores in draws])


def test_welchs_equivalence_by_hand():
    """Difference 5, error sqrt 2, two degrees of freedom."""
    got = welch_equivalence([0.0, 2.0], [5.0, 7.0], margin=10)
    expected = [upper_tail_of_two(15 / math.sqrt(2)), upper_tail_of_two(5 / math.sqrt(2))]
    assert [got.p_lower, got.p_upper] == pytest.approx(expected)
    assert expected == pytest.approx([0.00439, 0.03576], abs=5e-6)


def test_paired_equivalence_by_hand():
    """Difference 2, error 1 / sqrt 3, two degrees of freedom."""
    got = paired_equivalence([0.0] * 3, [1.0, 2.0, 3.0], margin=4)
    expected = [upper_tail_of_two(6 * math.sqrt(3)), upper_tail_of_two(2 * math.sqrt(3))]
    assert [got.p_lower, got.p_upper] == pytest.approx(expected)


def test_the_p_value_is_the_larger_of_both():
    got = paired_equivalence([0.0] * 3, [1.0, 2.0, 3.0], margin=4)
    assert got.p == got.p_upper > got.p_lower


def test_the_interval_by_hand():
    """The 95 % quantile of t with two degrees of freedom is 2.91999."""
    got = welch_equivalence([0.0, 2.0], [5.0, 7.0], margin=10).difference
    half = 2.919985580353724 * math.sqrt(2)
    assert (got.value, got.low, got.high) == pytest.approx((5, 5 - half, 5 + half))


@pytest.mark.parametrize(
    ("ours", "scipys"),
    [
        (
            welch_equivalence,
            lambda x, y, side: scipy.stats.ttest_ind(x, y, equal_var=False, alternative=side),
        ),
        (paired_equivalence, lambda x, y, side: scipy.stats.ttest_rel(x, y, alternative=side)),
    ],
)
def test_both_tests_are_scipys(ours, scipys):
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 12), rng.normal(0.3, 2, 12)
    got = ours(a, b, margin=0.8)
    expected = [
        scipys(b + 0.8, a, "greater").pvalue,
        scipys(b - 0.8, a, "less").pvalue,
        scipys(b, a, "two-sided").pvalue,
    ]
    assert [got.p_lower, got.p_upper, got.p_zero] == pytest.approx(expected)


@BOTH
def test_cells_are_equivalent_if_the_interval_is_inside_the_margin(test):
    rng = np.random.default_rng(1)
    for _ in range(50):
        got = test(rng.normal(0, 1, 8), rng.normal(0.3, 1, 8), margin=1.2)
        inside = got.difference.low > -1.2 and got.difference.high < 1.2
        assert (got.p < 0.05) == inside


@BOTH
@pytest.mark.parametrize(
    ("shift", "margin", "is_equivalent", "is_different"),
    [
        (0.0, 2.0, True, False),
        (0.0, 0.5, False, False),
        (3.0, 2.0, False, True),
        (-3.0, 2.0, False, True),
        (2.0, 20.0, True, True),  # significant, but inside the margin
    ],
)
def test_p_values_depend_on_difference_and_margin(test, shift, margin, is_equivalent, is_different):
    a = np.array([1.0, 2, 3, 4, 2, 3, 1, 4])
    got = test(a, a[::-1] + shift, margin=margin)
    assert (got.p < 0.05, got.p_zero < 0.05) == (is_equivalent, is_different)


@BOTH
def test_swapped_cells_swap_both_p_values(test):
    a, b = [1.0, 2, 3, 4], [2.0, 2, 5, 4]
    there, back = test(a, b, margin=2), test(b, a, margin=2)
    assert (there.p_lower, there.p_upper) == pytest.approx((back.p_upper, back.p_lower))


@pytest.mark.parametrize(
    ("test", "p"),
    [
        pytest.param(welch_equivalence, 1 / 252, id="one of 252 divisions into two cells of five"),
        pytest.param(paired_equivalence, 1 / 32, id="one of 32 assignments of signs"),
    ],
)
@pytest.mark.parametrize("difference", [0.0, 0.1])
def test_without_variance_the_p_value_is_that_of_a_permutation_test(test, p, difference):
    got = test([0.5] * 5, [0.5 + difference] * 5, margin=0.2)
    assert (got.p_lower, got.p_upper) == (p, p)


@BOTH
@pytest.mark.parametrize("difference", [0.2, 0.3])
def test_without_variance_a_difference_of_the_margin_is_not_equivalent(test, difference):
    assert test([0.5] * 5, [0.5 + difference] * 5, margin=0.2).p == 1.0


@BOTH
@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan])
def test_the_margin_must_be_positive(test, margin):
    with pytest.raises(ValueError, match=f"margin={margin}"):
        test([1.0, 2], [1.0, 3], margin=margin)


@BOTH
def test_a_difference_of_the_margin_is_seldom_called_equivalent(test):
    assert equivalent_share(test, 600, 12, difference=1.5, margin=1.5) == approx_share(0.05, 600)


@BOTH
def test_few_runs_cannot_show_equivalence(test):
    assert equivalent_share(test, 200, 5, difference=0, margin=0.5) < 0.05


@BOTH
def test_enough_runs_show_equivalence(test):
    assert equivalent_share(test, 200, 40, difference=0, margin=1.0) > 0.95


@pytest.mark.stress
@BOTH
@pytest.mark.parametrize("n", [5, 20])
def test_one_in_twenty_differences_of_the_margin_is_called_equivalent(test, n):
    assert equivalent_share(test, 20_000, n, difference=3, margin=3) == pytest.approx(
        0.05, abs=0.01
    )
