"""Predictions of records: found in folders of runs and in collected files, and checked."""

from dataclasses import replace

import numpy as np
import pytest

from stablebert.cli.main import main
from stablebert.report.predictions import COLLECTED_PREDICTIONS, load_predictions
from stablebert.report.records import read_records
from stablebert.runs.predictions import RowPredictions, digest_of, serialize_predictions
from tests.helpers.processes import imports_of
from tests.helpers.records import make_cell, make_record, store_record

CELL = make_cell()


def make_predictions(seed):
    """Return predictions that are different for each seed."""
    part = RowPredictions(
        source="validation",
        rows=np.array([3, 5], np.int32),
        labels=np.array([0, 1], np.float32),
        logits=np.array([[0.5, seed], [seed, 0.25]], np.float32),
    )
    return {"val_at_last": part, "test_at_last": replace(part, rows=part.rows + 10)}


def store(root, seed, predictions=None):
    """Write the record of a run and its predictions, or others; return their file."""
    expected = make_predictions(seed)
    record = make_record(CELL, seed, predictions_digest=digest_of(expected))
    file = store_record(root, record).with_name("predictions.parquet")
    file.write_bytes(serialize_predictions({record.key: predictions or expected}))
    return file


def load(*roots):
    """Return the digests of the predictions by data seed, and the problems."""
    records, problems = read_records(*roots)
    assert not problems
    runs, problems = load_predictions(records, *roots)
    return {seeds.data: digest_of(content) for (_, seeds), content in runs.items()}, problems


collected_file = COLLECTED_PREDICTIONS.collected_file
DIGESTS = {seed: digest_of(make_predictions(seed)) for seed in range(3)}


@pytest.fixture
def runs(tmp_path):
    """Folder with three runs."""
    for seed in DIGESTS:
        store(tmp_path / "runs", seed)
    return tmp_path / "runs"


def test_predictions_are_found_next_to_their_records(runs):
    assert load(runs) == (DIGESTS, [])


def test_predictions_are_found_from_the_folder_of_a_run(runs, monkeypatch):
    monkeypatch.chdir(next(runs.rglob("seed1")))
    assert load(type(runs)()) == ({1: DIGESTS[1]}, [])


def test_only_predictions_of_the_records_are_loaded(runs):
    records, _ = read_records(runs)
    assert load_predictions(records[:1], runs)[0].keys() == {records[0].key}


def test_older_records_are_counted(runs):
    store_record(runs, make_record(CELL, 7))
    found, problems = load(runs)
    assert found == DIGESTS
    assert problems == [
        "older than predictions.parquet: 1 of 4 records; force=true runs them again"
    ]


def test_an_absent_file_is_counted(runs):
    next(runs.rglob("seed1/predictions.parquet")).unlink()
    found, problems = load(runs)
    assert found.keys() == {0, 2}
    assert problems == ["without valid predictions next to them: 1 of 3 records"]


def test_a_damaged_file_is_reported(runs):
    file = next(runs.rglob("seed1/predictions.parquet"))
    file.write_bytes(file.read_bytes()[:100])
    found, problems = load(runs)
    assert found.keys() == {0, 2}
    assert problems[0].startswith(f"{file}: not a readable file of predictions")
    assert problems[1] == "without valid predictions next to them: 1 of 3 records"


def test_predictions_of_another_training_are_reported(tmp_path):
    file = store(tmp_path, 1, make_predictions(2))
    found, problems = load(tmp_path)
    assert found == {}
    assert problems == [
        f"{file}: the predictions of {CELL.config_id} seed1 are not those of its record: their "
        "digest differs; force=true runs it again",
        "without valid predictions next to them: 1 of 1 record",
    ]


def test_a_valid_copy_counts_where_another_one_is_not_valid(tmp_path):
    store(tmp_path / "first", 1, make_predictions(2))
    store(tmp_path / "second", 1)
    assert load(tmp_path / "first", tmp_path / "second") == ({1: DIGESTS[1]}, [])


def test_a_mismatch_is_no_problem_of_the_record(tmp_path):
    store(tmp_path, 1, make_predictions(2))
    records, problems = read_records(tmp_path)
    assert (len(records), problems) == (1, [])


@pytest.fixture
def collected(runs, tmp_path, capsys):
    """File of the lines of three runs."""
    file = tmp_path / "results" / "mini" / "all.jsonl"
    assert main(["collect", str(file), str(runs)]) == 0
    return file


def test_collected_predictions_are_those_of_the_runs(collected):
    assert load(collected.parents[1]) == (DIGESTS, [])


def test_collected_records_are_those_of_the_runs(collected, runs):
    assert read_records(collected.parents[1]) == read_records(runs)


def test_predictions_are_collected_again_from_a_collected_file(collected, tmp_path):
    again = tmp_path / "again" / "all.jsonl"
    assert main(["collect", str(again), str(collected.parents[1])]) == 0
    assert collected_file(again).read_bytes() == collected_file(collected).read_bytes()


def test_a_changed_collected_file_is_reported(collected):
    file = collected_file(collected)
    records, _ = read_records(collected.parents[1])
    changed = {record.key: make_predictions(min(record.seed, 1)) for record in records}
    file.write_bytes(serialize_predictions(changed))
    found, problems = load(collected.parents[1])
    assert found == {0: DIGESTS[0], 1: DIGESTS[1]}
    assert problems[0].startswith(f"{file}: the predictions of {CELL.config_id} seed2 are not")


def test_the_command_prints_both_files(runs, tmp_path, capsys):
    file = tmp_path / "all.jsonl"
    main(["collect", str(file), str(runs)])
    assert capsys.readouterr().out.splitlines() == [
        f"predictions of 3 runs: {tmp_path / 'all.predictions.parquet'}",
        f"3 records: {file}",
    ]


@pytest.mark.parametrize("name", ["all.jsonl", "all.csv"])
def test_the_command_writes_no_predictions_where_there_are_none(tmp_path, name, capsys):
    store_record(tmp_path / "runs", make_record(CELL))
    assert main(["collect", str(tmp_path / name), str(tmp_path / "runs")]) == 0
    assert not collected_file(tmp_path / "all.jsonl").exists()


def test_the_command_reports_records_without_predictions(tmp_path, capsys):
    store_record(tmp_path / "runs", make_record(CELL))
    main(["collect", str(tmp_path / "all.jsonl"), str(tmp_path / "runs")])
    assert "older than predictions.parquet: 1 of 1 record" in capsys.readouterr().err


@pytest.mark.slow
def test_predictions_are_read_and_written_without_pandas(runs, tmp_path):
    """Importing it takes longer than reading hundreds of runs."""
    assert "pandas" not in imports_of("collect", str(tmp_path / "all.jsonl"), str(runs))
    assert collected_file(tmp_path / "all.jsonl").exists()
