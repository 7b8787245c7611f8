"""Tests of two cells' spreads: by hand, against scipy, and where half of the runs fail."""

import math

import numpy as np
import pytest
import scipy.stats

from stablebert.report.statistics import scores as stats
from tests.helpers.samples import normal


def distances(x):
    return abs(x - np.median(x))


@pytest.mark.parametrize("case", range(4))
def test_brown_forsythe_is_welchs_test_of_the_distances_from_the_medians(case):
    a, b = normal(case, 20, 5, 2.0), normal(case + 50, 15 + case, 9, 1.0)
    expected = scipy.stats.ttest_ind(distances(b), distances(a), equal_var=False)
    got = stats.brown_forsythe_test(a, b)
    assert (got.t, got.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_brown_forsythe_is_about_levenes_test_for_similar_spreads():
    a, b = normal(1, 30, 5, 2.0), normal(51, 30, 9, 1.5)
    expected = scipy.stats.levene(a, b, center="median").pvalue
    assert stats.brown_forsythe_test(a, b).p == pytest.approx(expected, rel=0.02)


def test_brown_forsythe_does_not_exaggerate_failures_in_one_cell():
    """Levene's test gives .0003, which the correction over 24 comparisons would not stop."""
    none_failed, nine_failed = np.full(20, 0.7), np.array([0.5] * 9 + [0.7] * 11)
    assert stats.brown_forsythe_test(none_failed, nine_failed).p > 0.0008


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [
        ([1.0, 2, 3], [2.0, 4, 6], 2.0),
        ([1.0, 2, 3], [2.0, 2, 2], 0.0),
        ([2.0, 2, 2], [1.0, 2, 3], math.inf),
        ([1.0, 1], [2.0, 2], math.nan),
    ],
)
def test_the_ratio_of_spreads_is_that_of_the_second_cell_to_the_first(a, b, ratio):
    assert stats.spread_ratio(a, b) == pytest.approx(ratio, nan_ok=True)


def test_brown_forsythe_of_swapped_cells_has_the_opposite_sign():
    a, b = normal(0, 20, 5, 2.0), normal(50, 15, 9, 1.0)
    forth, back = stats.brown_forsythe_test(a, b), stats.brown_forsythe_test(b, a)
    assert (back.t, back.p) == pytest.approx((-forth.t, forth.p))


WILD, CALM = [50.0, 70, 51, 70, 50, 70, 50, 71], [10.0, 11, 10, 11, 10, 11, 10, 12]


def test_brown_forsythe_sees_stability_whatever_the_mean():
    got = stats.brown_forsythe_test(WILD, CALM)
    assert got.t < 0
    assert got.p < 1e-6


def test_brown_forsythe_of_two_constant_cells_sees_no_difference():
    got = stats.brown_forsythe_test([1.0] * 5, [2.0] * 5)
    assert (got.t, got.p) == (0.0, 1.0)


MANY = [5.0, 5.1, 4.9, 5.2, 4.8]


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("swap", [False, True])
def test_brown_forsythe_needs_five_runs(n, swap):
    """The distances of two runs from their median are equal: p would be 0 for any two spreads."""
    few = [1.0, 9.0, 4.0, 7.0][:n]
    with pytest.raises(ValueError, match="at least 5"):
        stats.brown_forsythe_test(*((MANY, few) if swap else (few, MANY)))


FAILING = [np.array([50.0] * n + [70.0] * (20 - n)) for n in (2, 10)]
"""Scores of cells in which two and ten of twenty runs fail."""


def test_where_half_of_the_runs_fail_permutation_sees_what_brown_forsythe_does_not():
    assert stats.brown_forsythe_test(*FAILING).p < 1e-4
    assert 0.01 < stats.spread_permutation_test(*FAILING, seed=0) < 0.015


@pytest.mark.parametrize("swap", [False, True])
def test_permutation_of_five_runs_against_a_constant_cell_by_hand(swap):
    """Only 12 of the 252 splits are as extreme: they have 1, 2, 4, 5, and a 3 in one group."""
    cells = [[1.0, 2, 3, 4, 5], [3.0] * 5]
    p = stats.spread_permutation_test(*(reversed(cells) if swap else cells), seed=0)
    assert p == pytest.approx(12 / 252, abs=0.005)


def test_permutation_of_equal_scores_sees_nothing():
    assert stats.spread_permutation_test([0.7] * 5, [0.7] * 5, seed=0) == 1


def test_permutation_depends_on_the_seed_alone():
    p = [stats.spread_permutation_test(*FAILING, seed=seed) for seed in (0, 0, 1)]
    assert p[0] == p[1] != p[2]
