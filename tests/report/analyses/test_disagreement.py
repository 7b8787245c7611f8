"""Disagreement of predictions over seeds, and the ensemble of all seeds."""

import math

import numpy as np
import pytest

from stablebert.report.analyses.base import Request
from stablebert.report.sweep_report import write_report
from tests.helpers.analyses import numbers_of
from tests.helpers.predicted_runs import HITS, certain_logits, make_runs, store_predictions
from tests.helpers.records import make_cell, table_lines

TITLE = "Disagreement of predictions over seeds, and their ensemble (test score x 100)"
RTE, COLA, SST2 = (make_cell(task, seeds=range(5)) for task in ("rte", "cola", "sst2"))
STSB = make_cell("stsb", seeds=range(3))
REGRESSION = np.array([[1, 2, 3, 4], [2, 2, 3, 5], [3, 5, 3, 3]])[:, :, None]
"""Variances of the rows over runs: 1, 3, 0, 1."""


def write(folder, cells, records, predictions):
    root = store_predictions(folder / "runs", predictions)
    request = Request(names=["disagreement"], roots=[root])
    text = write_report(cells, records, out=folder, name="t", request=request)
    return text.partition("t: disagreement")[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """RTE by hand, a regression, CoLA of runs with one class, and SST-2 with two runs of NaN."""
    folder = tmp_path_factory.mktemp("report")
    logits = certain_logits(HITS)
    one_class = np.broadcast_to([0.0, 1.0], logits.shape)
    failing = np.where(np.arange(5)[:, None, None] < 2, np.nan, logits)
    records, predictions = [], {}
    for cell, own, options in (
        (RTE, logits, {"val": [0.5, 0.6, 0.9, 0.6, 0.8]}),
        (STSB, REGRESSION, {"labels": [1, 2, 3, 4], "val": [0.5, 0.9, 0.9]}),
        (COLA, one_class, {}),
        (SST2, failing, {}),
    ):
        own_records, own_predictions = make_runs(cell, own, **options)
        records += own_records
        predictions |= own_predictions
    return write(folder, [RTE, STSB, COLA, SST2], records, predictions), folder


def test_the_table_has_every_measure(report):
    lines = table_lines(report[0], TITLE)
    assert lines[:3] == [
        "task n SD disagreement kappa JS divergence SD of predictions mean run best by validation "
        "ensemble left out",
        "RTE 5 28.50 0.350 0.067 0.243 - 65.0 50.0 75.0 0",
        # correlations of the ranks: 1, 0.949, -0.258; 0.949 for the mean prediction 2, 3, 3, 4
        "STS-B 3 71.21 - - - 1.118 56.3 34.5 94.9 0",
    ]


@pytest.mark.parametrize(
    ("task", "quantity", "value"),
    [
        ("rte", "n", 5),
        ("rte", "sd", math.sqrt(812.5)),
        # two runs agree on 1, 0.6, 0.4, and 0.6 of the pairs
        ("rte", "pairwise_disagreement", 0.35),
        # 15 of the 20 predictions are of class 1: chance is 0.75^2 + 0.25^2
        ("rte", "fleiss_kappa", (0.65 - 0.625) / 0.375),
        ("rte", "jensen_shannon_divergence", 0.35 * math.log(2)),
        ("rte", "mean_run", 65),
        ("rte", "best_by_validation", 50),
        ("rte", "ensemble", 75),
        ("stsb", "prediction_sd", math.sqrt(5 / 4)),
        ("cola", "pairwise_disagreement", 0),
        ("sst2", "n", 3),
        ("sst2", "left_out", 2),
        ("sst2", "mean_run", 50),
        ("sst2", "sd", 25),
    ],
)
def test_the_csv_has_the_number(report, task, quantity, value):
    (number,) = numbers_of(report[1] / "t-disagreement.csv", task=task, quantity=quantity)
    assert number.value == pytest.approx(value, abs=1e-9)


def test_a_regression_has_no_measures_of_classes(report):
    measures = ("pairwise_disagreement", "fleiss_kappa", "jensen_shannon_divergence")
    for quantity in measures:
        assert not numbers_of(report[1] / "t-disagreement.csv", task="stsb", quantity=quantity)


def test_runs_of_one_class_have_no_kappa(report):
    assert table_lines(report[0], TITLE)[3].startswith("CoLA 5 0.00 0.000 - 0.000 - 0.0")


def test_equal_best_validation_scores_share_their_place(report):
    (best,) = numbers_of(
        report[1] / "t-disagreement.csv", task="stsb", quantity="best_by_validation"
    )
    # Spearman: ranks 1.5 1.5 3 4, and 2 4 2 2 (less their means), with 1 2 3 4
    first, second = 4.5 / math.sqrt(4.5 * 5), -1 / math.sqrt(3 * 5)
    assert best.value == pytest.approx(50 * (first + second))


def test_the_sentence_has_the_gains_of_the_ensemble(report):
    assert report[0].count("standard: ensemble against the mean run on RTE +10.0, STS-B ") == 1
    assert "; against the best run by validation on RTE +25.0, STS-B " in report[0]


def test_runs_without_predictions_are_left_out(tmp_path):
    records, predictions = make_runs(RTE, certain_logits(HITS), val=[0.9, 0.6, 0.7, 0.6, 0.8])
    predictions.pop(records[0].key)
    write(tmp_path, [RTE], records, predictions)
    numbers = [
        numbers_of(tmp_path / "t-disagreement.csv", quantity=name)[0].value
        for name in ("n", "left_out", "mean_run", "best_by_validation")
    ]
    assert numbers == pytest.approx([4, 1, 56.25, 25])


def test_single_runs_do_not_disagree(tmp_path):
    cell = make_cell(seeds=[0])
    records, predictions = make_runs(cell, certain_logits(HITS[:1]))
    request = Request(names=["disagreement"], roots=[store_predictions(tmp_path, predictions)])
    text = write_report([cell], records, out=tmp_path / "out", name="t", request=request)
    assert "disagreement does not apply: needs 2 runs of a cell with predictions" in text


def test_a_report_of_absent_predictions_has_the_reason_and_no_table(tmp_path):
    records, _ = make_runs(RTE, certain_logits(HITS))
    request = Request(names=["disagreement"], roots=[tmp_path])
    text = write_report([RTE], records, out=tmp_path, name="t", request=request)
    text = text.partition("t: disagreement")[2]
    assert "without valid predictions next to them: 5 of 5 records" in text
    assert TITLE not in text
