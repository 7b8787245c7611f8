"""Speed of convergence and movement of layers: by hand, and against scipy."""

import math

import numpy as np
import pytest
import scipy.stats

from stablebert.report.statistics.convergence import (
    contrast_speed,
    sign_test,
    steps_to_reach,
    top_weight_change,
)
from tests.helpers.histories import make_history

FLOOR = 0.5


def scores(*values):
    """Validation scores at steps 10, 20, 30, ..."""
    return make_history(range(10, 10 * len(values) + 1, 10), x=values)["x"]


SLOW = [scores(0.5, 0.6, 0.7, 0.9), scores(0.5, 0.5, 0.87, 0.9)]
FAST = [scores(0.7, 0.87, 0.9, 0.9), scores(0.5, 0.87, 0.8, 1.0)]


def test_the_target_is_nine_tenths_of_the_way_to_the_lower_final_mean():
    # 0.5 + 0.9 (0.9 - 0.5) = 0.86; the other mean is 0.95
    assert contrast_speed(SLOW, FAST, FLOOR).target == pytest.approx(0.86)


def test_both_orders_have_the_same_target():
    assert contrast_speed(FAST, SLOW, FLOOR).target == pytest.approx(0.86)


def test_steps_are_counted_to_the_first_validation_at_the_target():
    contrast = contrast_speed(SLOW, FAST, FLOOR)
    assert (contrast.a.tolist(), contrast.b.tolist()) == ([40, 30], [20, 20])


def test_seeds_are_compared_one_by_one():
    contrast = contrast_speed([*SLOW, FAST[0]], [*FAST, FAST[0]], FLOOR)
    assert (contrast.faster, contrast.slower) == (2, 0)


def test_the_p_value_is_that_of_the_sign_test():
    assert contrast_speed(SLOW, FAST, FLOOR).p == 0.5  # 2 / 2^2


def test_a_run_that_never_reaches_the_target_is_slower_than_any_other():
    stuck = scores(0.5, 0.5, 0.5, 0.8)
    contrast = contrast_speed([SLOW[0]], [stuck], FLOOR)
    assert (contrast.b.tolist(), contrast.slower) == ([40], 0)  # 0.77 is the target
    contrast = contrast_speed([SLOW[0], SLOW[0]], [scores(0.5, 0.9, 0.9, 0.9), stuck], FLOOR)
    # final means 0.9 and 0.85: 0.815
    assert (contrast.b.tolist(), contrast.faster, contrast.slower) == ([20, math.inf], 1, 1)


def test_a_final_score_that_is_nan_counts_as_the_majority_class():
    # (0.9 + 0.5) / 2 = 0.7, so that the target is 0.68
    assert contrast_speed(SLOW, [FAST[0], scores(0.9, np.nan)], FLOOR).target == pytest.approx(0.68)


def test_cells_that_hardly_gain_anything_are_not_compared():
    assert contrast_speed(SLOW, [scores(0.5, 0.54)] * 2, FLOOR) is None


def test_runs_without_partners_are_an_error():
    with pytest.raises(ValueError, match="2 and 1 runs cannot be paired"):
        contrast_speed(SLOW, FAST[:1], FLOOR)


def test_nan_reaches_no_target():
    assert steps_to_reach(scores(np.nan, 0.9), 0.8) == 20


@pytest.mark.parametrize(("k", "n"), [(0, 0), (0, 1), (3, 9), (5, 10), (19, 20)])
def test_the_sign_test_agrees_with_scipy(k, n):
    expected = scipy.stats.binomtest(k, n).pvalue if n else 1.0
    assert sign_test(k, n - k) == pytest.approx(expected)


HISTORY = make_history(
    [1, 9],
    weight_change__embeddings=[0, 50],
    weight_change__layer_00=[0, 12],
    weight_change__layer_01=[0, 4],
    weight_change__layer_02=[0, 3],
    weight_change__pooler=[0, 50],
)


@pytest.mark.parametrize(("number", "expected"), [(1, 3), (2, 5), (3, 13)])
def test_the_change_of_the_top_layers_is_that_of_all_their_parameters_at_the_end(number, expected):
    assert top_weight_change(HISTORY, number) == expected


@pytest.mark.parametrize("number", [0, 4])
def test_layers_that_were_not_logged_have_no_change(number):
    assert math.isnan(top_weight_change(HISTORY, number))
