"""Histories of records: found in folders of runs and in collected files, and checked."""

import numpy as np
import pytest

from stablebert.cli.main import main
from stablebert.report.histories import COLLECTED_HISTORIES, load_histories
from stablebert.report.records import read_records
from tests.helpers.histories import history_lines, make_history
from tests.helpers.records import make_cell, make_record, store_record

CELL = make_cell()


def make_run_history(best=0.7, last=96):
    """The history of a run that has its best validation score at step 9."""
    return make_history([9, last], val__score=[best, 0.6], update_biased__all=[1, 2])


def store(root, seed, content=None, **changes):
    """Write the record of a run and its history; return the file of the history."""
    file = store_record(root, make_record(CELL, seed, **changes)).with_name("history.jsonl")
    file.write_bytes(history_lines(make_run_history()) if content is None else content)
    return file


def load(*roots):
    """Return the validation scores of the histories by data seed, and the problems."""
    records, problems = read_records(*roots)
    assert not problems
    runs, problems = load_histories(records, *roots)
    scores = {seeds.data: history["val/score"].values for (_, seeds), history in runs.items()}
    return {seed: values.tolist() for seed, values in scores.items()}, problems


SCORES = np.array([0.7, 0.6], np.float32).tolist()


@pytest.fixture
def runs(tmp_path):
    """Folder with three runs."""
    for seed in range(3):
        store(tmp_path / "runs", seed)
    return tmp_path / "runs"


def test_histories_are_found_next_to_their_records(runs):
    assert load(runs) == ({0: SCORES, 1: SCORES, 2: SCORES}, [])


def test_quantities_that_no_figure_shows_are_left_out(runs):
    histories, _ = load_histories(read_records(runs)[0], runs)
    assert {name for history in histories.values() for name in history} == {"val/score"}


def test_an_absent_history_is_counted(runs):
    next(runs.rglob("seed1/history.jsonl")).unlink()
    scores, problems = load(runs)
    assert scores.keys() == {0, 2}
    assert problems == ["without a valid history next to them: 1 of 3 records"]


def test_a_damaged_history_is_reported(runs):
    file = next(runs.rglob("seed1/history.jsonl"))
    file.write_bytes(file.read_bytes()[:-10])
    scores, problems = load(runs)
    assert scores.keys() == {0, 2}
    assert problems[0].startswith(f"{file}: line 2 is damaged: ")


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        (make_run_history(last=90), "it ends at step 90, not 96"),
        (make_run_history(best=0.65), "its validation score at step 9 is 0.650000, not 0.700000"),
        (make_history([96], val__score=[0.7]), "its validation score at step 9 is nan, not 0.70"),
        (make_history([96], train__loss=[1]), "its validation score at step 9 is nan, not 0.70"),
        ({}, "it ends at step 0, not 96"),
    ],
)
def test_the_history_of_another_training_is_reported(tmp_path, history, reason):
    file = store(tmp_path, 1, history_lines(history))
    scores, problems = load(tmp_path)
    start = f"{file}: the history of {CELL.config_id} seed1 is not that of its record: {reason}"
    assert scores == {}
    assert problems[0].startswith(start)


def test_a_run_without_a_best_validation_may_have_a_history(tmp_path):
    lines = history_lines(make_history([96], val__score=[np.nan]))
    changes = {"val_best_step": None, "status": "failed"}
    store(tmp_path, 1, lines, **changes)
    assert load(tmp_path)[1] == []


@pytest.fixture
def collected(runs, tmp_path, capsys):
    """File of the lines of three runs."""
    file = tmp_path / "results" / "mini" / "all.jsonl"
    assert main(["collect", str(file), str(runs)]) == 0
    return file


def test_collected_histories_are_those_of_the_runs(collected, runs):
    assert load(collected.parents[1]) == load(runs)


def test_histories_are_collected_again_from_a_collected_file(collected, tmp_path):
    again = tmp_path / "again" / "all.jsonl"
    assert main(["collect", str(again), str(collected.parents[1])]) == 0
    first, second = map(COLLECTED_HISTORIES.collected_file, (collected, again))
    assert second.read_bytes() == first.read_bytes()


def test_the_command_prints_the_file_of_histories(runs, tmp_path, capsys):
    main(["collect", str(tmp_path / "all.jsonl"), str(runs)])
    expected = f"histories of 3 runs: {tmp_path / 'all.histories.parquet'}"
    assert expected in capsys.readouterr().out.splitlines()


def test_the_command_writes_no_histories_where_there_are_none(tmp_path, capsys):
    store_record(tmp_path / "runs", make_record(CELL))
    assert main(["collect", str(tmp_path / "all.jsonl"), str(tmp_path / "runs")]) == 0
    assert not (tmp_path / "all.histories.parquet").exists()
