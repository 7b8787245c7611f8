"""The split of each ± over seeds into test-set noise and true scores."""

import math
from dataclasses import replace

import numpy as np
import pytest

from stablebert.report.analyses.base import Request
from stablebert.report.sweep_report import write_report
from stablebert.runs.predictions import serialize_predictions
from tests.helpers.analyses import numbers_of
from tests.helpers.predicted_runs import HITS, certain_logits, make_runs, store_predictions
from tests.helpers.records import make_cell, make_record, read_csv, store_record, table_lines

TITLE = "SD over seeds, split into test-set noise and true scores (test score x 100)"
RTE, MRPC, COLA, STSB = (make_cell(t, seeds=range(5)) for t in ("rte", "mrpc", "cola", "stsb"))


def write(folder, cells, records, roots=()):
    request = Request(names=["noise"], roots=roots)
    return write_report(cells, records, out=folder, name="t", request=request)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """RTE by hand, a run of NaN on MRPC, predictions of four runs on CoLA, no runs on STS-B."""
    folder = tmp_path_factory.mktemp("report")
    logits = certain_logits(HITS)
    failing = np.where(np.arange(5)[:, None, None] == 4, np.nan, logits)
    records, predictions = [], {}
    for cell, own in ((RTE, logits), (MRPC, failing), (COLA, logits[:4])):
        own_records, own_predictions = make_runs(cell, own)
        records += own_records
        predictions |= own_predictions
    records.append(make_record(COLA, 4))
    text = write(
        folder, [RTE, MRPC, COLA, STSB], records, [store_predictions(folder / "runs", predictions)]
    )
    return text.partition("t: noise")[2], folder


def test_the_table_has_the_split(report):
    lines = table_lines(report[0], TITLE)
    assert lines[0] == "task n rows mean SD noise SD true SD [95% CI] calibrated NaN left out"
    # roots of 812.5, 312.5, 500; calibrated: 100 sqrt(0.35 / 8)
    assert lines[1].startswith("RTE 5 4 65.0 28.50 17.68 22.36 [")
    assert lines[1].endswith("] 20.92 0 0")


def test_cells_with_too_few_predictions_have_no_row(report):
    assert len(table_lines(report[0], TITLE)) == 3


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("n", 5),
        ("rows", 4),
        ("mean", 65),
        ("sd", math.sqrt(812.5)),
        ("noise_sd", math.sqrt(312.5)),
        ("variance", 812.5),
        ("noise_variance", 312.5),
        ("true_variance", 500),
        ("true_sd", math.sqrt(500)),
        ("calibrated_noise_sd", 100 * math.sqrt(0.35 / 8)),
        ("not_finite", 0),
        ("left_out", 0),
    ],
)
def test_the_csv_has_the_number(report, quantity, value):
    (number,) = numbers_of(report[1] / "t-noise.csv", task="rte", quantity=quantity)
    assert number.value == pytest.approx(value)


def test_the_interval_surrounds_the_deviation(report):
    (number,) = numbers_of(report[1] / "t-noise.csv", task="rte", quantity="true_sd")
    assert 0 <= number.low < number.value < number.high


def test_a_run_of_nan_counts_with_its_score_of_0(report):
    (count,) = numbers_of(report[1] / "t-noise.csv", task="mrpc", quantity="not_finite")
    (sd,) = numbers_of(report[1] / "t-noise.csv", task="mrpc", quantity="sd")
    # F1: 2 TP / (2 TP + FP + FN) of the hits, with labels 1, 1, 0, 0
    scores = [100, 80, 200 / 3, 80, 0]
    assert (count.value, sd.value) == (1, pytest.approx(np.std(scores, ddof=1)))


def test_calibration_is_for_accuracy_only(report):
    assert not numbers_of(report[1] / "t-noise.csv", task="mrpc", quantity="calibrated_noise_sd")


@pytest.mark.parametrize("task", ["rte", "mrpc"])
def test_the_deviation_is_that_of_the_report(report, task):
    (sd,) = numbers_of(report[1] / "t-noise.csv", task=task, quantity="sd")
    (line,) = (line for line in read_csv(report[1] / "t.csv") if line["task"] == task)
    assert sd.value == pytest.approx(float(line["sd"]))


def test_the_sentence_has_every_task_with_runs(report):
    sentence = (
        "standard: ± may be test-set noise on RTE, MRPC; not split on CoLA (4 runs with "
        "predictions).\n"
    )
    assert sentence in report[0]


def test_runs_that_differ_on_all_rows_differ_in_their_true_scores(tmp_path):
    cell = make_cell(seeds=range(6))
    hits = np.random.default_rng(0).random((6, 400)) < np.linspace(0.1, 0.9, 6)[:, None]
    labels = np.arange(400) % 2
    records, predictions = make_runs(cell, certain_logits(hits, labels), labels)
    text = write(tmp_path, [cell], records, [store_predictions(tmp_path / "runs", predictions)])
    assert "standard: true scores differ on RTE.\n" in text


def test_runs_that_validation_selected_are_not_split(tmp_path):
    records, predictions = make_runs(RTE, certain_logits(HITS))
    records = [replace(record, pruned_from=((9, 9),)) for record in records]
    text = write(tmp_path, [RTE], records, [store_predictions(tmp_path / "runs", predictions)])
    assert "standard: not split on RTE (5 runs selected by seed pruning).\n" in text
    assert not numbers_of(tmp_path / "t-noise.csv", quantity="true_sd")


def test_missing_predictions_are_counted(report):
    assert "older than predictions.parquet: 1 of 15 records" in report[0]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("split_runs", 5),
        ("noise_sd", math.sqrt(312.5)),
        ("true_sd", math.sqrt(500)),
        ("true_variance", 500),
    ],
)
def test_the_csv_of_cells_has_the_split(report, column, value):
    assert float(read_csv(report[1] / "t.csv")[0][column]) == pytest.approx(value)


def test_the_csv_of_cells_has_the_interval(report):
    (number,) = numbers_of(report[1] / "t-noise.csv", task="rte", quantity="true_sd")
    line = read_csv(report[1] / "t.csv")[0]
    ends = [float(line[name]) for name in ("true_sd_low", "true_sd_high")]
    assert ends == [number.low, number.high]


@pytest.mark.parametrize("row", [2, 3])
def test_the_csv_of_cells_is_empty_where_predictions_are_missing(report, row):
    line = read_csv(report[1] / "t.csv")[row]
    assert {line[name] for name in ("split_runs", "noise_sd", "true_sd", "true_variance")} == {""}


def test_reports_of_older_records_have_the_columns(tmp_path):
    text = write(tmp_path, [RTE], [make_record(RTE, seed) for seed in range(5)])
    assert read_csv(tmp_path / "t.csv")[0]["noise_sd"] == ""
    assert text.endswith(
        "noise does not apply: needs 5 runs of a cell with predictions, but the most are 0 "
        "(records older than predictions have none; force=true runs them again)\n"
    )


@pytest.fixture
def folders(tmp_path):
    """Folders of six runs with predictions, in a folder whose name would color a terminal."""
    cell = make_cell(seeds=range(6))
    records, predictions = make_runs(cell, certain_logits(np.vstack([HITS, HITS[:1]])))
    root = tmp_path / "\x1b[31mruns"
    files = [store_record(root, record).with_name("predictions.parquet") for record in records]
    return cell, records, list(predictions.items()), root, files


def damage(file, runs):
    file.write_bytes(b"PAR1")


def replace_by_those_of_the_next_run(file, runs):
    (key, _), (_, other) = runs
    file.write_bytes(serialize_predictions({key: other}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damage, "not a readable file of predictions"),
        (replace_by_those_of_the_next_run, "their digest differs"),
    ],
)
def test_a_run_without_valid_predictions_is_named_and_left_out(folders, tmp_path, change, message):
    cell, records, runs, root, files = folders
    for file, (key, content) in zip(files, runs, strict=True):
        file.write_bytes(serialize_predictions({key: content}))
    change(files[0], runs[:2])
    text = write(tmp_path, [cell], records, [root])
    name = str(files[0]).replace("\x1b", "\\x1b")
    (line,) = (line for line in text.splitlines() if line.startswith(name))
    assert message in line
    (count,) = numbers_of(tmp_path / "t-noise.csv", quantity="left_out")
    (n,) = numbers_of(tmp_path / "t-noise.csv", quantity="n")
    assert (count.value, n.value) == (1, 5)


def test_the_deviation_is_of_runs_with_predictions(folders, tmp_path):
    cell, records, runs, root, files = folders
    for file, (key, content) in list(zip(files, runs, strict=True))[1:]:
        file.write_bytes(serialize_predictions({key: content}))
    write(tmp_path, [cell], records, [root])
    (sd,) = numbers_of(tmp_path / "t-noise.csv", quantity="sd")
    assert sd.value == pytest.approx(math.sqrt(812.5))  # the last run is like the first, left out
