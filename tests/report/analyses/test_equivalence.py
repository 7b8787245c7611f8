"""Equivalence of precisions, and of methods and their baselines."""

import numpy as np
import pytest

from stablebert.cli.main import main
from stablebert.report.analyses.base import Request
from stablebert.report.statistics.equivalence import paired_equivalence, welch_equivalence
from stablebert.report.sweep_report import write_report
from tests.helpers.analyses import numbers_of
from tests.helpers.records import make_cell, make_record, table_lines

FULL = 0.7 + np.array([-3, -2, -1, 0, 0, 1, 2, 3]) / 1000
GAINS = {
    "rte": np.array([3, -1] * 4) / 1000,
    "mrpc": 0.03 + np.array([1, -1] * 4) / 1000,
    "cola": 0.01 + np.array([1, -1] * 4) / 1000,
}
"""Gain of mixed precision, per seed: 0.1, three points, and one point, which is the margin."""


def precision_cells(seeds=8, tasks=GAINS):
    cells, records = [], []
    for task in tasks:
        for precision in ("16-mixed", "32-true"):
            cell = make_cell(task, seeds=range(seeds), **{"trainer.precision": precision})
            gain = GAINS[task] if precision == "16-mixed" else np.zeros(8)
            records += [make_record(cell, s, float((FULL + gain)[s])) for s in range(seeds)]
            cells.append(cell)
    return cells, records


def write(folder, cells, records, **options):
    request = Request(names=["equivalence"], **options)
    text = write_report(cells, records, out=folder, name="t", request=request)
    return text.partition("t: equivalence\n")[2] or text


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return write(folder, *precision_cells()), folder


@pytest.fixture(scope="module")
def rte():
    scores = 100 * FULL, 100 * (FULL + GAINS["rte"])
    return [test(*scores, margin=1.0) for test in (welch_equivalence, paired_equivalence)]


def test_precisions_are_compared_with_full_precision(report):
    lines = table_lines(report[0], "Equivalence within ±1 point (test score x 100)")
    assert lines[0] == (
        "task trainer.precision against n Δ mean [90% CI] p TOST p TOST Holm p Welch Holm "
        "paired Δ [90% CI] paired p TOST verdict"
    )
    assert lines[1] == (
        "RTE 16-mixed trainer.precision=32-true 8 +0.1 [-0.1, +0.3] <.001 <.001 .787 "
        "+0.1 [-0.0, +0.2] <.001 equivalent"
    )


@pytest.mark.parametrize(
    ("quantity", "test"), [("difference", 0), ("paired_difference", 1)], ids=["welch", "paired"]
)
def test_the_csv_has_the_interval(report, rte, quantity, test):
    (number,) = numbers_of(report[1] / "t-equivalence.csv", task="rte", quantity=quantity)
    expected = rte[test].difference
    assert number == pytest.approx((expected.value, expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    ("quantity", "test", "factor"),
    [
        ("p_tost", 0, 1),
        ("p_tost_holm", 0, 2 * 3),
        ("p_tost_paired", 1, 1),
        ("p_tost_paired_holm", 1, 2 * 3),
    ],
)
def test_the_csv_has_the_p_value(report, rte, quantity, test, factor):
    """The smallest of three p-values is multiplied by 3, and by 2 families."""
    (number,) = numbers_of(report[1] / "t-equivalence.csv", task="rte", quantity=quantity)
    assert number.value == pytest.approx(factor * rte[test].p)


def test_the_largest_p_value_of_a_difference_is_multiplied_by_the_families(report, rte):
    path = report[1] / "t-equivalence.csv"
    (number,) = numbers_of(path, task="rte", quantity="p_different_holm")
    assert number.value == pytest.approx(2 * rte[0].p_zero)


@pytest.mark.parametrize(
    ("task", "verdict"), [("rte", "equivalent"), ("mrpc", "different"), ("cola", "different")]
)
def test_the_csv_has_the_verdict(report, task, verdict):
    (number,) = numbers_of(report[1] / "t-equivalence.csv", task=task, quantity="verdict")
    assert number.value == verdict


def test_the_sentence_has_every_task(report):
    assert (
        "\ntrainer.precision=16-mixed against trainer.precision=32-true: equivalent within ±1 "
        "point on RTE +0.1 [-0.1, +0.3]; significantly different on MRPC +3.0 [+2.8, +3.2], CoLA "
        "+1.0 [+0.8, +1.2].\n"
    ) in report[0]


def test_a_wider_margin_shows_more(tmp_path):
    text = write(tmp_path, *precision_cells(), margin=4.5)
    assert (
        "equivalent within ±4.5 points on RTE +0.1 [-0.1, +0.3], MRPC +3.0 [+2.8, +3.2], CoLA"
        in text
    )
    assert {n.value for n in numbers_of(tmp_path / "t-equivalence.csv", quantity="margin")} == {4.5}


def test_methods_are_compared_with_their_baselines(tmp_path):
    cells = [make_cell(method=method, seeds=range(8)) for method in ("standard", "reinit")]
    spread = np.arange(8) / 50
    records = [make_record(cell, s, 0.5 + spread[s]) for cell in cells for s in range(8)]
    text = write(tmp_path, cells, records)
    assert "reinit against standard: inconclusive on RTE +0.0 [" in text


def test_cells_that_cannot_be_compared_are_named(tmp_path):
    cells, records = precision_cells(tasks=["rte", "mrpc"])
    text = write(tmp_path, cells, records[:-1])
    assert "not compared on MRPC (baseline: 7 of 8 runs).\n" in text


@pytest.mark.parametrize(
    ("seeds", "reason"),
    [
        (3, "no two cells can be compared (3 runs, fewer than 5)"),
        (0, "needs runs at several precisions, or of a method and its baseline"),
    ],
)
def test_the_reason_for_no_test_is_stated(tmp_path, seeds, reason):
    cells, records = precision_cells(seeds=seeds, tasks=["rte"])
    if not seeds:
        cells = [make_cell(seeds=[0])]
        records = [make_record(cells[0])]
    text = write(tmp_path, cells, records)
    assert text.endswith(f"equivalence does not apply: {reason}\n")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e999", "one", ""])
def test_a_margin_that_is_no_positive_number_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["report", "table4", f"--margin={text}"])
    assert f"{text!r}: expected a positive number of points" in capsys.readouterr().err
