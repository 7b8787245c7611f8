"""Comparing cells with baselines, and marking the best."""

import math

import pytest

from stablebert.report.compare import baseline_of, compare_with_baselines, mark_best_cells
from stablebert.report.join import join_records
from tests.helpers.records import join_scores, make_cell, make_record

BASE, LONGER = make_cell(), make_cell(length="longer")
REINIT, ELSEWHERE = make_cell(method="reinit"), make_cell("cola", "reinit")
BIASED = make_cell(method="bert_adam")


@pytest.mark.parametrize(
    ("cell", "cells", "baseline"),
    [
        pytest.param(REINIT, [LONGER, BASE, REINIT], BASE, id="standard with three epochs"),
        pytest.param(LONGER, [LONGER, BASE, REINIT], BASE, id="also for standard with more steps"),
        pytest.param(REINIT, [LONGER, REINIT], LONGER, id="standard with more steps if alone"),
        pytest.param(ELSEWHERE, [BASE, ELSEWHERE], None, id="never of another task"),
        pytest.param(BASE, [BASE, BIASED], BIASED, id="bert_adam beside standard alone"),
        pytest.param(REINIT, [BASE, BIASED, REINIT], BASE, id="not with a third method"),
    ],
)
def test_the_baseline_is(cell, cells, baseline):
    assert baseline_of(cell, cells, []) is baseline


def test_the_baseline_shares_the_other_parameters():
    cells = [make_cell(method=m, steps=s) for m in ("standard", "reinit") for s in (200, 400)]
    assert baseline_of(cells[3], cells, ["steps"]) is cells[1]


def test_a_sweep_without_standard_has_no_baseline():
    cells = [make_cell(method="reinit", depth=d) for d in (1, 2)]
    assert baseline_of(cells[1], cells, ["depth"]) is None


@pytest.fixture(scope="module")
def comparisons():
    scores = {"standard": [0.5, 0.6, 0.7], "reinit": [0.8, 0.9, 1.0], "bad": [0.1, 0.2]}
    return compare_with_baselines(join_scores(**scores))


def test_the_baseline_is_not_compared_with_itself(comparisons):
    assert comparisons[0] is None


def test_differences_are_in_points(comparisons):
    assert comparisons[1].difference.value == pytest.approx(30)


def test_improvement_is_the_share_of_better_pairs(comparisons):
    assert [c.improvement for c in comparisons[1:]] == [1.0, 0.0]


def test_the_ratio_of_deviations_is_cell_over_baseline(comparisons):
    assert comparisons[1].sd_ratio == pytest.approx(1.0)


def test_holm_correction_is_over_all_comparisons_of_the_table(comparisons):
    good, bad = comparisons[1:]
    assert good.p_holm == pytest.approx(2 * good.p_welch)
    assert bad.p_holm == pytest.approx(max(bad.p_welch, good.p_holm))


def test_spreads_of_fewer_than_five_runs_are_left_out_of_holm_correction():
    few, calm = [0.5, 0.6], [0.50, 0.51, 0.50, 0.51, 0.50]
    scores = {"standard": [0.1, 0.9, 0.2, 0.8, 0.5], "calm": calm, "few": few}
    _, with_five, with_two = compare_with_baselines(join_scores(**scores))
    assert with_five.p_sd_holm == with_five.p_sd
    assert math.isnan(with_two.p_sd_holm)


def test_the_detectable_difference_is_in_points(comparisons):
    assert 10 < comparisons[1].detectable < 100


def test_a_cell_with_one_run_is_not_compared():
    assert compare_with_baselines(join_scores(standard=[0.5, 0.6], reinit=[0.9])) == [None, None]


def test_the_best_cell_and_those_it_does_not_beat_are_marked():
    results = join_scores(standard=[0.1, 0.2, 0.3], near=[0.8, 0.9, 1.0], best=[0.9, 1.0, 1.0])
    assert mark_best_cells(results, by="test") == [False, True, True]


@pytest.mark.parametrize(
    "scores",
    [
        pytest.param({"standard": [0.5, 0.6], "reinit": [0.9]}, id="a cell has one run"),
        pytest.param({"standard": [0.5, 0.6]}, id="there is only one cell"),
    ],
)
def test_no_cell_is_marked_if(scores):
    assert not any(mark_best_cells(join_scores(**scores), by="test"))


def test_cells_without_runs_do_not_prevent_marks():
    results = join_scores(standard=[0.5, 0.6], reinit=[0.9, 0.9], llrd=[])
    assert mark_best_cells(results, by="test") == [False, True, False]


@pytest.mark.parametrize(("by", "marks"), [("test", [False, True]), ("val", [True, False])])
def test_marks_are_by_the_requested_score(by, marks):
    cells = [make_cell(), make_cell(method="reinit")]
    scores = {cells[0].method: (0.2, 0.9), cells[1].method: (0.8, 0.3)}
    records = [
        make_record(cell, seed, scores[cell.method][0] + seed / 100, val=scores[cell.method][1])
        for cell in cells
        for seed in (0, 1)
    ]
    assert mark_best_cells(join_records(cells, records).results, by=by) == marks
