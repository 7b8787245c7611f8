"""Predictions of a cell's runs: which are stacked, and which are left out."""

from dataclasses import replace

import numpy as np
import pytest

from stablebert.config.own_tasks import use_tasks
from stablebert.report.cell_predictions import stack_predictions
from stablebert.report.join import join_records
from stablebert.tasks import TASKS, OwnData
from stablebert.tasks.metric_entries import parse_metric
from tests.helpers.predicted_runs import HITS, LABELS, certain_logits, make_part, make_runs
from tests.helpers.records import make_cell

CELL = make_cell(seeds=range(5))
LOGITS = certain_logits(HITS)


def stack(change=lambda predictions: None, logits=LOGITS, **options):
    """Stack the predictions of five runs after a change, given the list of those of each run."""
    records, predictions = make_runs(CELL, logits, **options)
    (result,) = join_records([CELL], records).results
    keys, runs = list(predictions), list(predictions.values())
    change(runs)
    return stack_predictions(result, dict(zip(keys, runs, strict=False)))


def test_a_torchmetrics_class_is_split_for_labels_only():
    tasks = {name: TASKS[name] for name in ("rte", "stsb")}
    classes = {"rte": "CohenKappa", "stsb": "KendallRankCorrCoef"}
    own = [
        replace(
            task,
            **{"name": f"my_{name}", "config": f"my_{name}", "own": OwnData("", ())},
            metrics=(parse_metric(classes[name], num_labels=task.num_labels),),
        )
        for name, task in tasks.items()
    ]
    use_tasks(own)
    splits = {}
    for task in own:
        cell = make_cell(task.name, seeds=range(5))
        records, predictions = make_runs(cell, LOGITS[:, :, : task.num_labels])
        (result,) = join_records([cell], records).results
        splits[task.name] = stack_predictions(result, predictions).split
    use_tasks([])
    assert splits["my_rte"].n == 5
    assert splits["my_stsb"] is None


def test_logits_are_in_the_order_of_the_runs():
    assert np.array_equal(stack().logits, LOGITS)


def test_labels_are_those_of_the_rows():
    assert np.array_equal(stack().labels, LABELS)


def test_predictions_at_the_best_weights_count():
    part = make_part(np.zeros((4, 2)))
    stacked = stack(lambda runs: runs.__setitem__(2, runs[2] | {"test_at_last": part}))
    assert np.array_equal(stacked.logits, LOGITS)


def test_runs_without_predictions_are_absent():
    stacked = stack(lambda runs: runs.__delitem__(slice(3, 5)))
    assert (stacked.positions.tolist(), stacked.absent) == ([0, 1, 2], 2)


def test_a_cell_without_predictions_has_no_rows():
    stacked = stack(lambda runs: runs.clear())
    assert (len(stacked.positions), len(stacked.is_finite), stacked.split) == (0, 0, None)


def test_a_run_without_best_weights_is_not_finite():
    stacked = stack(lambda runs: runs[1].pop("test_at_best"))
    assert stacked.is_finite.tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_run_with_a_logit_that_is_not_finite_is_counted(value):
    logits = LOGITS.copy()
    logits[3, 1, 0] = value
    assert stack(logits=logits).not_finite == 1


@pytest.mark.parametrize(
    "part",
    [
        make_part(LOGITS[0], source="train"),
        make_part(LOGITS[0], labels=1 - LABELS),
        make_part(LOGITS[0][:3], labels=LABELS[:3]),
        make_part(np.zeros((4, 3))),
        replace(make_part(LOGITS[0]), rows=np.arange(1, 5)),
    ],
    ids=["source", "labels", "number of rows", "number of classes", "rows"],
)
def test_runs_tested_on_other_rows_are_named_and_left_out(part):
    stacked = stack(lambda runs: runs.__setitem__(2, {"test_at_best": part}))
    assert stacked.positions.tolist() == [0, 1, 3, 4]
    assert stacked.problems == (
        f"RTE standard 3epochs ({CELL.config_id}): seeds 2: tested on different rows than the "
        "first run; their predictions are left out",
    )


@pytest.mark.parametrize(("runs", "rows"), [(4, 4), (5, 2)])
def test_the_variance_of_few_runs_or_rows_is_not_split(runs, rows):
    stacked = stack(logits=LOGITS[:runs, :rows], labels=LABELS[:rows])
    assert stacked.split is None


def test_the_variance_is_split():
    assert stack().split.true == pytest.approx(0.05)
