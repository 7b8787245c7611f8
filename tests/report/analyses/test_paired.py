"""Methods compared with their baselines seed by seed."""

from itertools import product

import numpy as np
import pytest

from stablebert.report.analyses.base import Request
from stablebert.report.sweep_report import write_report
from tests.helpers.analyses import numbers_of
from tests.helpers.records import make_cell, make_record, table_lines

BASE = [0.50, 0.52, 0.54, 0.56, 0.58, 0.60]
"""Scores of the baseline, sd 3.742 points."""
GAINS = [0.01, 0.02, 0.03, 0.01, 0.02, 0.03]


def pairs(task="rte", base=BASE, gains=GAINS):
    cells = [make_cell(task, method, seeds=range(6)) for method in ("standard", "reinit")]
    records = [make_record(cells[0], s, x) for s, x in enumerate(base)]
    records += [
        make_record(cells[1], s, x + d) for s, (x, d) in enumerate(zip(base, gains, strict=True))
    ]
    return cells, records


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A gain on RTE, a loss on MRPC, nothing on CoLA, and missing runs on STS-B."""
    folder = tmp_path_factory.mktemp("report")
    parts = [
        pairs(),
        pairs("mrpc", gains=[-d for d in GAINS]),
        pairs("cola", gains=[0.01, -0.01] * 3),
        pairs("stsb"),
    ]
    cells = [cell for part in parts for cell in part[0]]
    records = [record for part in parts for record in part[1]][:-1]
    request = Request(names=["paired"])
    text = write_report(cells, records, out=folder, name="t", request=request)
    return text.partition("t: paired")[2], folder


def test_the_table_has_both_tests(report):
    lines = table_lines(report[0], "Compared with standard 3epochs by seed (test score x 100)")
    statistics = "p sign flips p Holm p Welch p Welch Holm correlation variance"
    assert lines[0] == f"task method n Δ mean [95% CI] {statistics}"
    # six of six differences have one sign: p = 2 / 2^6, times 3 comparisons
    assert lines[1].startswith("RTE reinit 6 +2.0 [+1.3, +2.7] .031 .094 ")
    assert lines[3].startswith("CoLA reinit 6 +0.0 [")


@pytest.mark.parametrize(
    ("task", "quantity", "value"),
    [
        ("rte", "n", 6),
        ("rte", "difference", 2.0),
        ("mrpc", "difference", -2.0),
        ("rte", "p_sign_flip", 2 / 64),
        ("cola", "p_sign_flip", 1.0),
        ("rte", "p_sign_flip_holm", 2 * 3 / 64),
        ("rte", "correlation", np.corrcoef(BASE, np.add(BASE, GAINS))[0, 1]),
        # s_d^2 = 0.8; variances of both methods: 14.0, and 18.0 = 14 + 0.8 + 2 x 1.6
        ("rte", "variance_ratio", 0.8 / (14.0 + 18.0)),
    ],
)
def test_the_csv_has_the_number(report, task, quantity, value):
    (number,) = numbers_of(report[1] / "t-paired.csv", task=task, quantity=quantity)
    assert number.value == pytest.approx(value)


def test_welchs_p_values_are_those_of_the_report(report):
    text = (report[1] / "t.csv").read_text()
    for quantity in ("p_welch", "p_welch_holm"):
        (number,) = numbers_of(report[1] / "t-paired.csv", task="rte", quantity=quantity)
        assert str(number.value) in text


def test_the_interval_surrounds_the_difference(report):
    (number,) = numbers_of(report[1] / "t-paired.csv", task="rte", quantity="difference")
    assert 1.0 < number.low < number.value < number.high < 3.0


def test_the_sentence_has_every_task(report):
    assert (
        "Paired by seed, reinit against standard: inconclusive on RTE +2.0, MRPC -2.0, CoLA +0.0; "
        "not compared on STS-B (5 of 6 runs).\n"
        "No corrected p-value of 3 comparisons with these numbers of seeds can be below .094: "
    ) in report[0]


@pytest.mark.parametrize(
    ("sign", "verdict"),
    [(1, "significantly higher on RTE +2.1"), (-1, "significantly lower on RTE -2.1")],
)
def test_a_significant_difference_is_stated(tmp_path, sign, verdict):
    cells = [make_cell(method=method, seeds=range(8)) for method in ("standard", "reinit")]
    scores = 0.5 + np.arange(8) / 100
    records = [make_record(cells[0], s, scores[s]) for s in range(8)]
    records += [make_record(cells[1], s, scores[s] + sign * (0.02 + s % 2 / 500)) for s in range(8)]
    request = Request(names=["paired"])
    text = write_report(cells, records, out=tmp_path, name="t", request=request)
    assert f"Paired by seed, reinit against standard: {verdict}." in text
    assert "can be below" not in text


def test_runs_are_paired_by_both_seeds(tmp_path):
    """Scores of the baseline vary by tens of points, the differences by none."""
    seeds = list(product(range(3), range(2)))
    cells = [make_cell(method=method, seeds=seeds) for method in ("standard", "reinit")]
    scores = {pair: 0.3 + 0.1 * pair[0] + 0.03 * pair[1] for pair in seeds}
    records = [make_record(cells[0], pair, x) for pair, x in scores.items()]
    records += [make_record(cells[1], pair, x + 0.01) for pair, x in reversed(scores.items())]
    write_report(cells, records, out=tmp_path, name="t")
    (number,) = numbers_of(tmp_path / "t-paired.csv", quantity="difference")
    assert (number.value, number.low, number.high) == pytest.approx((1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("method", "seeds", "reason"),
    [
        ("reinit", 3, "no cell can be compared with its baseline (3 runs, fewer than 5)"),
        ("standard", 6, "needs runs of a method and of its baseline"),
    ],
)
def test_the_reason_for_no_comparison_is_stated(tmp_path, method, seeds, reason):
    cells = [
        make_cell(task, m, seeds=range(seeds)) for task, m in [("rte", "standard"), ("rte", method)]
    ]
    cells = cells[: 1 + (method != "standard")]
    records = [make_record(cell, s, 0.5 + s / 100) for cell in cells for s in range(seeds)]
    request = Request(names=["paired"])
    text = write_report(cells, records, out=tmp_path, name="t", request=request)
    assert text.endswith(f"paired does not apply: {reason}\n")
