"""Comparing cells with baselines, and marking the best."""

from dataclasses import replace

import pytest

from stablebert.report.compare import (
    Obstacle,
    baseline_of,
    compare_with_baselines,
    mark_as_in_paper,
    mark_best_cells,
    shortcoming,
)
from stablebert.report.join import join_records
from stablebert.report.statistics.scores import detectable_difference
from tests.helpers.records import join_scores, make_cell, make_record, make_seeds

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


def test_the_baseline_of_a_depth_of_reinit_has_none():
    cells = [make_cell(method="reinit", **{"reinit.num_layers": depth}) for depth in (1, 2)]
    assert baseline_of(cells[1], [*cells, BASE], ["reinit.num_layers"]) is BASE


def test_the_baseline_lacks_no_parameter_that_every_method_has():
    cell = make_cell(method="reinit", steps=200)
    assert baseline_of(cell, [cell, BASE], ["steps"]) is None


def test_the_baseline_has_the_same_value_of_every_parameter_if_there_is_one():
    values = [{"reinit.num_layers": depth} for depth in (1, 2)]
    cells = [make_cell(method=m, **own) for m in ("standard", "reinit") for own in values]
    assert baseline_of(cells[3], cells, ["reinit.num_layers"]) is cells[1]


def test_a_sweep_without_standard_has_no_baseline():
    cells = [make_cell(method="reinit", depth=d) for d in (1, 2)]
    assert baseline_of(cells[1], cells, ["depth"]) is None


BASELINE = [0.50, 0.55, 0.60, 0.65, 0.70]


def shift(scores, by):
    return [score + by for score in scores]


@pytest.fixture(scope="module")
def comparisons():
    scores = {"standard": BASELINE, "reinit": shift(BASELINE, 0.3), "bad": shift(BASELINE, -0.2)}
    return compare_with_baselines(join_scores(**scores))


def test_the_baseline_is_not_compared_with_itself(comparisons):
    assert comparisons[0] is None


def test_differences_are_in_points(comparisons):
    assert comparisons[1].difference.value == pytest.approx(30)


def test_improvement_is_the_share_of_better_pairs(comparisons):
    assert [c.improvement for c in comparisons[1:]] == [1.0, 0.0]


def test_the_ratio_of_deviations_is_cell_over_baseline(comparisons):
    assert comparisons[1].sd_ratio == pytest.approx(1.0)


def test_holm_correction_is_over_all_comparisons_and_doubled_for_means_and_spreads(comparisons):
    good, bad = comparisons[1:]
    assert good.p_holm == pytest.approx(2 * 2 * good.p_welch)
    assert bad.p_holm == pytest.approx(2 * bad.p_welch)


def test_a_verdict_on_means_has_a_direction(comparisons):
    assert [c.mean_verdict for c in comparisons[1:]] == ["higher", "lower"]


def test_the_detectable_difference_is_that_of_the_corrected_test(comparisons):
    expected = detectable_difference([50, 55, 60, 65, 70], [80, 85, 90, 95, 100], alpha=0.05 / 4)
    assert comparisons[1].detectable == pytest.approx(expected)


WILD, CALM = [0.50, 0.70, 0.51, 0.70, 0.50, 0.71], [0.60, 0.61, 0.60, 0.61, 0.60, 0.62]


@pytest.mark.parametrize(
    ("standard", "reinit", "verdict"),
    [(WILD, CALM, "smaller"), (CALM, WILD, "larger"), (WILD, WILD, "")],
)
def test_a_verdict_on_spreads_has_a_direction(standard, reinit, verdict):
    _, c = compare_with_baselines(join_scores(standard=standard, reinit=reinit))
    assert (c.mean_verdict, c.spread_verdict) == ("", verdict)


# One test of these would be significant; the first of twelve is not.
NARROW = [0.598, 0.599, 0.600, 0.601, 0.602]


@pytest.mark.parametrize(
    ("scores", "p_value", "verdict"),
    [
        pytest.param(shift(BASELINE, 0.13), "p_welch", "mean_verdict", id="higher"),
        pytest.param(shift(BASELINE, -0.13), "p_welch", "mean_verdict", id="lower"),
        pytest.param(NARROW, "p_sd", "spread_verdict", id="smaller spread"),
    ],
)
def test_a_verdict_needs_the_correction(scores, p_value, verdict):
    others = {f"other{i}": BASELINE for i in range(11)}
    _, c, *_ = compare_with_baselines(join_scores(standard=BASELINE, reinit=scores, **others))
    assert getattr(c, p_value) < 0.05
    assert getattr(c, verdict) == ""


def test_failed_runs_are_no_verdict_on_spreads():
    """Two and ten failed runs of twenty: Brown-Forsythe gives 1e-5, permutation .013."""
    two, ten = [0.5] * 2 + [0.7] * 18, [0.5] * 10 + [0.7] * 10
    others = {f"other{i}": two for i in range(11)}
    _, c, *_ = compare_with_baselines(join_scores(standard=two, reinit=ten, **others))
    assert 0.01 < c.p_sd < 0.015
    assert c.spread_verdict == ""


def test_the_p_values_of_a_searched_setting_are_multiplied_by_the_number_of_settings():
    base, other = join_scores(standard=BASELINE, llrd=shift(BASELINE, 0.2))
    searched = replace(other, cell=replace(other.cell, settings=6))
    (_, plain), (_, corrected) = (compare_with_baselines([base, r]) for r in (other, searched))
    assert corrected.p_holm == pytest.approx(6 * plain.p_holm)
    assert corrected.p_sd_holm == 1
    assert corrected.detectable > plain.detectable


# ---------------------------------------------------------------- cells that cannot be judged


def incomplete(result):
    """The result without its last run."""
    (cell, records) = result.cell, result.records
    return join_records([cell], records[:-1]).results[0]


def pruned(result):
    """The result of seeds that seed pruning selected among itself and one more."""
    started = [[i, i] for i in range(result.n + 1)]
    records = [replace(record, pruned_from=started) for record in result.records]
    return join_records([result.cell], records).results[0]


def partly_searched(result):
    return replace(result, cell=replace(result.cell, settings=5, open_settings=2))


UNJUDGED = [
    pytest.param(incomplete, "5 of 6 runs", id="incomplete"),
    pytest.param(pruned, "6 runs selected by seed pruning", id="pruned"),
    pytest.param(
        partly_searched, "runs missing in 2 of 5 settings of its search", id="partly searched"
    ),
]


@pytest.fixture
def six_runs():
    """Results of a baseline and a better cell with six seeds."""
    return join_scores(standard=WILD, reinit=shift(WILD, 0.2))


@pytest.mark.parametrize(("change", "reason"), UNJUDGED)
def test_a_cell_is_not_compared_if_it_is(six_runs, change, reason):
    base, other = six_runs
    assert compare_with_baselines([base, change(other)]) == [
        None,
        Obstacle(baseline=base.cell, reason=reason),
    ]


def test_one_setting_without_runs_is_a_shortcoming(six_runs):
    cell = replace(six_runs[1].cell, settings=5, open_settings=1)
    assert (
        shortcoming(replace(six_runs[1], cell=cell))
        == "runs missing in 1 of 5 settings of its search"
    )


def test_a_pruned_cell_is_called_pruned_even_if_its_other_seeds_are_expected(six_runs):
    base, other = six_runs
    assert compare_with_baselines([base, pruned(incomplete(other))])[1].reason == (
        "5 runs selected by seed pruning"
    )


@pytest.mark.parametrize(("change", "reason"), UNJUDGED)
def test_nothing_is_compared_with_a_baseline_that_is(six_runs, change, reason):
    base, other = change(six_runs[0]), six_runs[1]
    _, obstacle = compare_with_baselines([base, other])
    assert obstacle == Obstacle(baseline=base.cell, reason=f"baseline: {reason}")


@pytest.mark.parametrize(("change", "reason"), UNJUDGED)
def test_no_cell_of_a_task_is_marked_if_one_is(six_runs, change, reason):
    base, other = six_runs
    assert mark_best_cells([base, other], by="test") == [False, True]
    assert mark_best_cells([base, change(other)], by="test") == [False, False]
    assert mark_as_in_paper([base, change(other)], by="test") == [False, False]


def test_cells_of_other_seeds_are_not_compared(six_runs):
    base, other = six_runs
    cell = replace(other.cell, seeds=make_seeds([*range(5), (5, 6)]))
    records = [replace(r, seed_data=6) if r.seed == 5 else r for r in other.records]
    results = [base, *join_records([cell], records).results]
    assert compare_with_baselines(results)[1].reason == "other seeds than the baseline"
    assert mark_best_cells(results, by="test") == [False, False]


def test_cells_of_four_runs_are_not_compared():
    results = join_scores(standard=BASELINE[:4], reinit=shift(BASELINE[:4], 0.3))
    assert compare_with_baselines(results)[1].reason == "4 runs, fewer than 5"
    assert mark_best_cells(results, by="test") == [False, False]


def test_an_obstacle_does_not_count_as_a_comparison(six_runs):
    base, other = six_runs
    alone = compare_with_baselines([base, other])[1]
    few = join_scores(few=[0.5, 0.6])
    assert compare_with_baselines([base, *few, other])[2] == alone


def test_a_cell_without_runs_is_not_compared():
    assert compare_with_baselines(join_scores(standard=BASELINE, reinit=[])) == [None, None]


# ---------------------------------------------------------------- marks

BEST = shift(BASELINE, 0.3)
NEAR = shift(BASELINE, 0.25)


def test_the_best_cell_and_those_it_does_not_beat_are_marked():
    results = join_scores(standard=BASELINE, near=NEAR, best=BEST)
    assert mark_best_cells(results, by="test") == [False, True, True]


def test_equal_cells_are_both_marked():
    results = join_scores(standard=[0.5] * 5, reinit=[0.5] * 5)
    assert mark_best_cells(results, by="test") == [True, True]


def test_marks_are_corrected_over_all_pairs_and_the_papers_are_not():
    """The difference has p = .03, which one-tailed and uncorrected is enough for the paper."""
    results = join_scores(standard=BASELINE, reinit=shift(BASELINE, 0.13))
    assert mark_best_cells(results, by="test") == [True, True]
    assert mark_as_in_paper(results, by="test") == [False, True]


def test_a_single_cell_is_not_marked():
    assert mark_best_cells(join_scores(standard=BASELINE), by="test") == [False]


def test_cells_without_runs_do_not_prevent_marks():
    results = join_scores(standard=BASELINE, reinit=BEST, llrd=[])
    assert mark_best_cells(results, by="test") == [False, True, False]


@pytest.mark.parametrize(("by", "marks"), [("test", [False, True]), ("val", [True, False])])
def test_marks_are_by_the_requested_score(by, marks):
    cells = [make_cell(seeds=range(5)), make_cell(method="reinit", seeds=range(5))]
    scores = {cells[0].method: (0.2, 0.9), cells[1].method: (0.8, 0.3)}
    records = [
        make_record(
            cell,
            seed,
            scores[cell.method][0] + seed / 100,
            val=scores[cell.method][1] + seed / 100,
        )
        for cell in cells
        for seed in range(5)
    ]
    assert mark_best_cells(join_records(cells, records).results, by=by) == marks


@pytest.mark.parametrize("other", [{"task": "cola"}, {"model.name": "other"}, {"scale": "demo"}])
def test_each_task_model_and_scale_has_its_own_marks(other):
    """The other group's best cell is far below this one's worst."""
    cells = [
        make_cell(method=m, seeds=range(5), **group)
        for group in ({}, other)
        for m in ("standard", "reinit")
    ]
    levels = (0.6, 0.8, 0.1, 0.3)
    records = [
        make_record(cell, s, level + s / 100)
        for cell, level in zip(cells, levels, strict=True)
        for s in range(5)
    ]
    results = join_records(cells, records).results
    assert mark_best_cells(results, by="test") == [False, True, False, True]
    assert mark_as_in_paper(results, by="test") == [False, True, False, True]


@pytest.mark.parametrize("searched", [0, 1])
def test_marks_are_corrected_for_a_search_of_either_cell(searched):
    """One of ten settings: 2 * 10 * .004 is not significant."""
    results = join_scores(standard=BASELINE, reinit=shift(BASELINE, 0.2))
    assert mark_best_cells(results, by="test") == [False, True]
    result = results[searched]
    results[searched] = replace(result, cell=replace(result.cell, settings=10))
    assert mark_best_cells(results, by="test") == [True, True]
