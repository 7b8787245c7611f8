"""Number of runs and hours until a run reaches a validation score."""

import pytest

from stablebert.cli.main import main
from stablebert.report.analyses.base import Request
from stablebert.report.statistics.cost import clopper_pearson
from stablebert.report.sweep_report import write_report
from tests.helpers.analyses import numbers_of
from tests.helpers.records import make_cell, make_record, table_lines

STANDARD = [0.50, 0.60, 0.60, 0.60, 0.70]
"""Mean 0.60; one of five runs reaches 0.70."""
REINIT = [0.60, 0.70, 0.70, 0.70, 0.80]
"""Mean 0.70, the target; four of five runs reach it."""
BAD = [0.50] * 5
SECONDS = {"load": 60.0, "train": 400.0, "validate": 200.0, "test": 60.0}
"""720 seconds, 0.2 hours."""


def write(folder, target=None, **changes):
    cells = [make_cell(method=m, seeds=range(5)) for m in ("standard", "reinit", "wd")]
    records = [
        make_record(cell, s, 0.9, val=val, **{"seconds": SECONDS} | changes)
        for cell, scores in zip(cells, (STANDARD, REINIT, BAD), strict=True)
        for s, val in enumerate(scores)
    ]
    request = Request(names=["cost"], target=target)
    text = write_report(cells, records, out=folder, name="t", request=request)
    return text.partition("t: cost\n")[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return write(folder), folder


def test_the_table_has_runs_and_hours(report):
    title = "Runs and hours to reach a validation score with a probability of 95%"
    lines = table_lines(report[0], title)
    assert lines[0] == (
        "task method target reached probability [95% CI] runs [95% CI] s per run hours [95% CI]"
    )
    # log(.05) / log(1 - .2) = 13.4, and log(.05) / log(1 - .8) = 1.9
    assert lines[1] == "RTE standard 70.0 1/5 0.20 [0.01, 0.72] 14 [3, 592] 720 2.8 [0.6, 118]"
    assert lines[2].startswith("RTE reinit 70.0 4/5 0.80 [0.28, 0.99] 2 [1, 9] 720 0.4 [0.2, ")
    assert lines[3] == "RTE wd 70.0 0/5 0.00 [0.00, 0.52] ∞ [5, ∞] 720 ∞ [1, ∞]"


@pytest.mark.parametrize(
    ("method", "quantity", "value"),
    [
        ("standard", "target", 70.0),
        ("standard", "n", 5),
        ("standard", "reached", 1),
        ("standard", "seconds_per_run", 720.0),
        ("standard", "runs", 14),
        ("standard", "hours", 14 * 0.2),
        ("reinit", "runs", 2),
        ("wd", "runs", float("inf")),
    ],
)
def test_the_csv_has_the_number(report, method, quantity, value):
    (number,) = numbers_of(report[1] / "t-cost.csv", method=method, quantity=quantity)
    assert number.value == pytest.approx(value)


def test_the_csv_has_the_interval_of_the_probability(report):
    (number,) = numbers_of(report[1] / "t-cost.csv", method="standard", quantity="probability")
    expected = clopper_pearson(1, 5)
    assert number == pytest.approx((0.2, expected.low, expected.high))


def test_the_sentence_names_target_and_methods(report):
    assert (
        "\nRTE: runs until one has a validation score of 70.0, the mean of reinit, with a "
        "probability of 95%: 14 runs (2.8 h) with standard, 2 runs (0.4 h) with reinit, none of 5 "
        "runs with wd reaches it.\n"
    ) in report[0]


def test_the_target_can_be_set(tmp_path):
    text = write(tmp_path, target=50.0)
    assert "\nRTE: runs until one has a validation score of 50.0, with a probability" in text
    assert {n.value for n in numbers_of(tmp_path / "t-cost.csv", quantity="runs")} == {1.0}


def test_every_task_has_its_own_target(tmp_path):
    cells = [make_cell(task, seeds=range(5)) for task in ("rte", "cola")]
    records = [
        make_record(cell, s, val)
        for cell, val in zip(cells, (0.6, 0.3), strict=True)
        for s in range(5)
    ]
    write_report(cells, records, out=tmp_path, name="t")
    numbers = numbers_of(tmp_path / "t-cost.csv", quantity="target")
    assert [number.value for number in numbers] == pytest.approx([60.0, 30.0])


def test_incomplete_durations_are_named(report, tmp_path):
    remark = "Hours do not include the intermediate runs that other runs start from.\n"
    assert remark in write(tmp_path, start={"task": "mnli"})
    assert "Hours do not" not in report[0]


def test_runs_on_several_devices_are_named(tmp_path):
    cell = make_cell(seeds=range(5))
    records = [make_record(cell, s, device=f"GPU {s % 2}") for s in range(5)]
    request = Request(names=["cost"])
    text = write_report([cell], records, out=tmp_path, name="t", request=request)
    assert "Hours are not comparable: runs used GPU 0, GPU 1.\n" in text


def test_cells_with_few_or_selected_runs_have_no_estimate(tmp_path):
    cells = [make_cell(method=m, seeds=range(5)) for m in ("standard", "reinit", "wd")]
    records = [make_record(cells[0], s) for s in range(5)]
    records += [make_record(cells[1], s, 0.9) for s in range(4)]
    records += [make_record(cells[2], s, 0.9, pruned_from=[[9, 9]]) for s in range(5)]
    request = Request(names=["cost"])
    text = write_report(cells, records, out=tmp_path, name="t", request=request)
    assert (
        "Without an estimate (fewer than 5 runs, or selected by seed pruning): RTE reinit 3epochs "
        "(rte-reinit-3epochs-mini), RTE wd 3epochs (rte-wd-3epochs-mini).\n"
    ) in text
    assert {n.value for n in numbers_of(tmp_path / "t-cost.csv", quantity="target")} == {70.0}


def test_few_runs_have_no_estimate_at_all(tmp_path):
    cell = make_cell(seeds=range(4))
    records = [make_record(cell, s) for s in range(4)]
    request = Request(names=["cost"])
    text = write_report([cell], records, out=tmp_path, name="t", request=request)
    assert text.endswith(
        "cost does not apply: needs 5 runs of a cell that seed pruning did not select\n"
    )


@pytest.mark.parametrize("text", ["101", "-100.1", "nan", "inf", "best", "", "7_0", "٣"])
def test_a_target_that_is_no_score_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["report", "table1", f"--target={text}"])
    assert f"{text!r}: expected a score x 100 from -100 to 100" in capsys.readouterr().err


def test_cells_with_different_packings_are_named(tmp_path):
    cells = [make_cell(seeds=range(5)), make_cell(seeds=range(5), length="longer")]
    packings = zip(cells, ("packed", "captured"), strict=True)
    records = [
        make_record(cell, s, packing=packing) for cell, packing in packings for s in range(5)
    ]
    request = Request(names=["cost"])
    text = write_report(cells, records, out=tmp_path, name="t", request=request)
    assert "Hours are not comparable: training steps were packed, captured.\n" in text
