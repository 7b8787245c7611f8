"""Two runs side by side, against values by hand."""

import numpy as np

from stablebert.report.show.compare import (
    difference_table,
    disagreement_facts,
    most_different_rows,
    score_table,
)
from stablebert.report.show.run import ShownRun
from stablebert.report.show.views import view_two_runs
from tests.helpers.predicted_runs import make_part
from tests.helpers.records import make_cell, make_record


def shown(record=None, **changes):
    return ShownRun(place="here", state="finished", record=record, **changes)


def texts_of(table):
    return [[entry.text for entry in row] for row in table.rows]


def test_values_of_configurations_that_differ_are_listed_as_typed():
    a = shown(config={"task": "rte", "mixout.p": 0.1, "trainable.patterns": [], "x": None})
    b = shown(config={"task": "rte", "mixout.p": 0.2, "trainable.patterns": ["a"], "x": True})
    assert texts_of(difference_table(a, b)) == [
        ["mixout.p", "0.1", "0.2"],
        ["trainable.patterns", "[]", "[a]"],
        ["x", "null", "true"],
    ]


def test_folders_and_tracking_are_no_differences():
    a = shown(config={"paths.runs": "a", "wandb.mode": "auto", "force": False})
    b = shown(config={"paths.runs": "b", "wandb.mode": "online", "force": True})
    assert difference_table(a, b) is None


def test_seeds_and_circumstances_of_records_are_compared():
    cell = make_cell()
    a = shown(make_record(cell, 0))
    b = shown(make_record(cell, (1, 2), precision="16-mixed", versions={"torch": "2.14"}))
    assert texts_of(difference_table(a, b)) == [
        ["seed_init", "0", "1"],
        ["seed_data", "0", "2"],
        ["precision obtained", "32-true", "16-mixed"],
        ["version of commit", "c0ffee", "-"],
        ["version of torch", "2.13", "2.14"],
    ]


def test_a_package_that_is_not_installed_is_no_difference_from_an_older_record():
    cell = make_cell()
    a, b = (shown(make_record(cell, versions=v)) for v in ({"torch": "2"}, {"peft": None}))
    assert texts_of(difference_table(a, b)) == [["version of torch", "2", "-"]]


def test_a_configuration_without_another_is_not_compared():
    a, b = shown(make_record(make_cell()), config={"task": "rte"}), shown(make_record(make_cell()))
    assert difference_table(a, b) is None
    notes = view_two_runs(a, b).notes
    assert any(note.startswith("the configuration of B is not available") for note in notes)


def test_scores_are_side_by_side():
    a = make_record(make_cell("mrpc"), score=0.7, val=0.75)
    b = make_record(make_cell("mrpc"), score=0.8, val=0.75, test_at_last=0.65, val_best_step=18)
    assert texts_of(score_table(a, b))[:6] == [
        ["test at best f1", "70.0", "80.0", "+10.0"],
        ["test at best accuracy", "70.0", "80.0", "+10.0"],
        ["test at last f1", "70.0", "65.0", "-5.0"],
        ["test at last accuracy", "70.0", "65.0", "-5.0"],
        ["val at best f1", "75.0", "75.0", "+0.0"],
        ["val at best accuracy", "75.0", "75.0", "+0.0"],
    ]
    assert ["best step", "9", "18", ""] in texts_of(score_table(a, b))


def test_a_score_that_is_no_number_has_no_difference():
    a = make_record(make_cell())
    metrics = a.metrics | {"test_at_best": {"accuracy": None}}
    b = make_record(make_cell(), metrics=metrics)
    assert texts_of(score_table(a, b))[0] == ["test at best accuracy", "70.0", "NaN", "-"]


def test_scores_of_different_metrics_are_left_out():
    table = score_table(make_record(make_cell("rte")), make_record(make_cell("stsb")))
    assert [row[0] for row in texts_of(table)] == ["status", "best step", "seconds of training"]


A = make_part([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]], labels=[0, 0, 0, 1, 1])
B = make_part([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]], labels=[0, 0, 0, 1, 1])
"""A is right in rows 0, 1 and 3, B in rows 0, 2 and 3."""


def test_rows_on_which_two_runs_disagree_are_counted():
    assert disagreement_facts(A, B, "the best weights").texts == {
        "test rows": "5, with the best weights",
        "different predictions": "2 (40.0%)",
        "only A is right": "1 (20.0%)",
        "only B is right": "1 (20.0%)",
        "both are right": "2 (40.0%)",
        "both are wrong": "1 (20.0%)",
    }


def test_two_rows_without_a_number_are_equal_and_wrong():
    nan = make_part([[np.nan, 0]] * 5, labels=[0, 0, 0, 1, 1])
    texts = disagreement_facts(nan, nan, "the best weights").texts
    assert texts["different predictions"] == "0 (0.0%)"
    assert texts["both are wrong"] == "5 (100.0%)"


def test_scores_of_a_regression_are_compared_by_their_distance():
    a = make_part([[1.0], [2.0]], labels=[1, 2])
    b = make_part([[1.25], [3.0]], labels=[1, 2])
    texts = disagreement_facts(a, b, "the best weights").texts
    assert texts["mean distance of predictions"] == "0.62"
    assert texts["predictions more than 0.5 apart"] == "1 (50.0%)"


def test_the_rows_whose_losses_differ_most_come_first():
    runs = [shown(make_record(make_cell())) for _ in range(2)]
    a = make_part([[1, 0], [5, 0], [0, 0]], labels=[0, 1, 0])
    b = make_part([[1, 0], [0, 5], [0, 1]], labels=[0, 1, 0])
    rows = most_different_rows(runs, [a, b], n=2, source="/absent").rows
    # losses of row 1: log(1 + e^5) and log(1 + e^-5); of row 2: log(2) and log(1 + e)
    assert rows[0].facts == {
        "row": "1",
        "label": "not_entailment",
        "A": "entailment (loss 5.01)",
        "B": "not_entailment (loss 0.00672)",
    }
    assert rows[1].facts["A"] == "entailment (loss 0.693)"
    assert rows[1].facts["B"] == "not_entailment (loss 1.31)"


def test_runs_tested_on_different_rows_are_not_compared_row_by_row():
    cell = make_cell()
    other = make_part([[1, 0]], labels=[0])
    a = shown(make_record(cell, 0), predictions={"test_at_best": A})
    b = shown(make_record(cell, 1), predictions={"test_at_best": other})
    view = view_two_runs(a, b)
    assert "A and B were tested on different rows, which are not compared" in view.notes


def test_a_run_is_equal_to_itself():
    run = shown(make_record(make_cell()), config={"task": "rte"})
    assert "A and B have the same configuration and circumstances" in view_two_runs(run, run).notes
