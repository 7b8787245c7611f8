"""Sentences of captions."""

import pytest

from stablebert.report.figures.captions import (
    compose_caption,
    describe_runs,
    failed_runs,
    largest_difference,
    widest_spread,
)
from stablebert.report.join import join_records
from tests.helpers.figures import make_basis
from tests.helpers.records import make_cell, make_record

FIVE = (0.60, 0.61, 0.62, 0.63, 0.64)
"""Scores with a mean of 62 and a standard deviation of 1.58 points."""


def results_of(cells, **changes):
    records = [make_record(c, s.init, 0.7, **changes) for c in cells for s in c.seeds]
    return join_records(cells, records).results


def test_runs_are_described():
    cells = [make_cell(task, m, seeds=range(3)) for task in ("rte", "cola") for m in ("a", "b")]
    assert describe_runs(results_of(cells)) == (
        "12 runs in 4 cells, 3 per cell (seeds 0..2); scale mini, model org/bert@fedcba987654, "
        "precision 32-true, length 3epochs; method varies."
    )


def test_what_varies_is_listed():
    cells = [
        make_cell(method=m, length=length, **{"optimizer.lr": rate})
        for m in "ab"
        for length in ("3epochs", "longer")
        for rate in (1, 2)
    ]
    assert describe_runs(results_of(cells)).endswith("; method, length, and optimizer.lr vary.")


def test_parameters_that_are_the_same_in_all_cells_are_stated():
    cells = [make_cell(method=m, **{"trainer.batch_size": 16}) for m in "ab"]
    assert "length 3epochs, trainer.batch_size=16; method varies." in describe_runs(
        results_of(cells)
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("/secret/folder/my-bert", "model my-bert org/bert@fedcba987654,"),
        ("org/bert", "model org/bert org/bert@fedcba987654,"),
    ],
)
def test_a_model_in_a_folder_is_named_without_its_path(name, text):
    cells = [make_cell(method=m, **{"model.name": name}) for m in "ab"]
    assert text in describe_runs(results_of(cells))


def test_different_numbers_of_runs_are_a_range():
    cells = [make_cell(method="a", seeds=range(2)), make_cell(method="b", seeds=range(5))]
    assert "7 runs in 2 cells, 2 to 5 per cell (seeds 0..4)" in describe_runs(results_of(cells))


def test_cells_without_runs_do_not_count():
    cells = [make_cell(method="a"), make_cell(method="b")]
    results = join_records(cells, [make_record(cells[0], 0)]).results
    assert describe_runs(results).startswith("1 run in 1 cell, 1 per cell (seeds 0);")


def test_several_precisions_are_counted():
    cells = [make_cell(method="a"), make_cell(method="b")]
    records = [make_record(cells[0], i, precision="16-mixed") for i in range(2)]
    records.append(make_record(cells[1], 0))
    text = describe_runs(join_records(cells, records).results)
    assert "precision 16-mixed (2 runs), 32-true (1 run)" in text


def test_the_largest_difference_is_stated():
    cells = [
        make_cell(task, m, seeds=range(5))
        for task in ("rte", "cola")
        for m in ("standard", "reinit")
    ]
    gains = {("rte", "reinit"): 0.10, ("cola", "reinit"): -0.20}
    records = [
        make_record(c, i, x + gains.get((c.task, c.method), 0))
        for c in cells
        for i, x in enumerate(FIVE)
    ]
    basis = make_basis(cells, records)
    # the standard error is 1.58 sqrt(2 / 5) = 1 point, with 8 degrees of freedom: t(.975) = 2.306
    assert largest_difference(basis.rows, basis.labels) == (
        "Largest difference of mean test scores: reinit on CoLA against standard, -20.0 points "
        "(95% interval -22.3 to -17.7; significant after the correction for 2 comparisons)."
    )


def test_a_difference_that_may_be_chance_is_not_called_significant():
    cells = [make_cell(method=m, seeds=range(5)) for m in ("standard", "reinit")]
    records = [make_record(c, i, x) for c in cells for i, x in enumerate(FIVE)]
    basis = make_basis(cells, records)
    assert (
        "+0.0 points (95% interval -2.3 to +2.3; not significant after the correction for 1 "
        in (largest_difference(basis.rows, basis.labels))
    )


def test_without_comparisons_there_is_no_largest_difference():
    basis = make_basis([make_cell()], [make_record(make_cell())])
    assert largest_difference(basis.rows, basis.labels) == ""


def test_failed_runs_are_counted_and_the_worst_cell_is_named():
    cells = [make_cell(method=m, seeds=range(4)) for m in "ab"]
    failed = {("a", 0), ("b", 1), ("b", 3)}
    records = [
        make_record(c, i, status="failed" if (c.method, i) in failed else "ok")
        for c in cells
        for i in range(4)
    ]
    results = join_records(cells, records).results
    assert failed_runs(results, ["method"]) == "3 of 8 runs failed, most with b on RTE: 2 of 4."


def test_the_worst_cell_has_the_largest_share_of_failed_runs():
    cells = [make_cell(method="a", seeds=range(9)), make_cell(method="b", seeds=(0,))]
    records = [make_record(cells[0], i, status="failed" if i < 2 else "ok") for i in range(9)]
    records.append(make_record(cells[1], 0, status="failed"))
    results = join_records(cells, records).results
    assert failed_runs(results, ["method"]).endswith("most with b on RTE: 1 of 1.")


def test_that_no_run_failed_is_stated():
    assert failed_runs(results_of([make_cell()]), []) == "No run failed."


@pytest.mark.parametrize(
    ("score", "text"),
    [
        ("test", "Widest spread: b on RTE, standard deviation 14.1, from 60.0 to 80.0."),
        ("val", "Widest spread: a on RTE, standard deviation 7.1, from 50.0 to 60.0."),
    ],
)
def test_the_widest_spread_is_stated(score, text):
    cells = [make_cell(method=m) for m in "ab"]
    records = [make_record(cells[0], i, 0.7, val=(0.5, 0.6)[i]) for i in range(2)]
    records += [make_record(cells[1], i, (0.6, 0.8)[i], val=0.5) for i in range(2)]
    assert widest_spread(join_records(cells, records).results, ["method"], score) == text


def test_single_runs_have_no_spread():
    assert widest_spread(results_of([make_cell(seeds=(0,))]), [], "test") == ""


def test_a_caption_leaves_out_empty_sentences_and_escapes_controls():
    assert compose_caption("One.", "", "Two\x1b.") == "One. Two\\x1b."
