"""Runs that arguments name, and what is said where they name none or several."""

from dataclasses import replace

import numpy as np
import pytest

from stablebert.config.serialize import to_yaml
from stablebert.errors import ConfigError
from stablebert.report.collect import write_records
from stablebert.report.histories import COLLECTED_HISTORIES
from stablebert.report.predictions import COLLECTED_PREDICTIONS
from stablebert.report.records import ReportError
from stablebert.report.show.find import find_run, split_arguments
from stablebert.runs.claims import hold_claim
from stablebert.runs.history import Series
from stablebert.runs.predictions import digest_of
from tests.helpers.predicted_runs import make_part
from tests.helpers.runs import make_run, make_run_record, store_run_record

PARTS = {"test_at_best": make_part([[0, 1]], labels=[1])}
CONFIGURATION = ["scale=mini", "data.source=/absent", "model.name=org/absent"]
"""Configuration whose data and model do not exist; `make_run` knows its scale."""


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run each test in a folder of its own, which has the default folder of runs."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def committed(tmp_path):
    """Folder with the committed records of seeds 0 and 1, the first with all files."""
    runs = [make_run("elsewhere", *CONFIGURATION[1:], f"seed={seed}") for seed in (0, 1)]
    records = [make_run_record(run) for run in runs]
    records[0] = replace(records[0], predictions_digest=digest_of(PARTS))
    folder = tmp_path / "results"
    write_records(records, folder / "mini/table1.jsonl")
    history = {
        "train/loss": Series(np.array([20], np.int32), np.array([0.5], np.float32)),
        "val/score": Series(np.array([9], np.int32), np.array([0.7], np.float32)),
    }
    COLLECTED_PREDICTIONS.write({records[0].key: PARTS}, folder / "mini/table1.jsonl")
    COLLECTED_HISTORIES.write({records[0].key: history}, folder / "mini/table1.jsonl")
    return folder


def store_run(*overrides):
    """Store the record and the configuration of a run in the default folder; return the run."""
    run = make_run("runs", *CONFIGURATION[1:], *overrides)
    store_run_record(run)
    (run.folder / "config.yaml").write_text(to_yaml(run.cfg))
    return run


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (["runs/a"], [["runs/a"]]),
        (["runs/a", "runs/b"], [["runs/a"], ["runs/b"]]),
        (["runs/a", "vs", "runs/b"], [["runs/a"], ["runs/b"]]),
        (["task=rte", "seed=1"], [["task=rte", "seed=1"]]),
        (["task=rte", "vs", "task=cola", "seed=1"], [["task=rte"], ["task=cola", "seed=1"]]),
        (["runs/a", "task=rte", "seed=1"], [["runs/a"], ["task=rte", "seed=1"]]),
        (["task=rte", "seed=1", "runs/a"], [["task=rte", "seed=1"], ["runs/a"]]),
    ],
)
def test_arguments_are_split_into_runs(arguments, runs):
    assert split_arguments(arguments) == runs


@pytest.mark.parametrize(
    "arguments", [["a", "b", "c"], ["vs"], ["a", "vs"], ["vs", "a"], ["a", "vs", "vs", "b"]]
)
def test_arguments_of_no_run_or_of_three_are_refused(arguments):
    with pytest.raises(ConfigError, match="RUN vs RUN"):
        split_arguments(arguments)


def test_a_folder_may_have_an_equals_sign_in_its_name(tmp_path):
    (tmp_path / "lr=1").mkdir()
    assert split_arguments(["lr=1", "seed=1"]) == [["lr=1"], ["seed=1"]]


# ---------------------------------------------------------------- folders


def test_a_run_is_found_by_its_folder_or_a_file_in_it():
    run = store_run()
    for place in (run.folder, run.folder / "result.json"):
        assert find_run([str(place)], []).record.key == run.key


def test_the_only_run_below_a_folder_is_found():
    run = store_run()
    assert find_run([str(run.folder.parent)], []).place == str(run.folder)


def test_several_runs_below_a_folder_are_listed():
    for seed in range(12):
        run = store_run(f"seed={seed}")
    with pytest.raises(ReportError, match="runs: 12 runs; name one of them") as error:
        find_run(["runs"], [])
    lines = str(error.value).splitlines()
    assert f"  mini/rte/standard/{run.config_id}/seed0 (3epochs)" in lines
    assert lines[-1] == "  and 2 more"


def test_an_unfinished_run_below_a_folder_is_found():
    run = store_run()
    (run.folder / "result.json").unlink()
    assert find_run(["runs"], []).state.startswith("interrupted")


def test_a_folder_without_runs_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReportError, match="empty: no run is in this folder or below it"):
        find_run(["empty"], [])


def test_damaged_records_below_a_folder_are_named():
    run = store_run()
    (run.folder / "result.json").write_text("{")
    (run.folder / "config.yaml").unlink()
    with pytest.raises(ReportError, match=r"result\.json"):
        find_run(["runs"], [])


# ---------------------------------------------------------------- ends of paths


def test_a_committed_record_is_found_by_the_end_of_its_path(committed):
    run = make_run("elsewhere", *CONFIGURATION[1:])
    shown = find_run([f"{run.config_id}/seed0"], [committed])
    assert shown.record.key == run.key
    assert shown.place == f"{committed}/mini/table1.jsonl:1"
    assert shown.test.labels.tolist() == [1]
    assert shown.history["val/score"].steps.tolist() == [9]
    assert shown.notes == ("a committed record, without the folder of its run",)


def test_what_a_committed_record_lacks_is_named(committed):
    run = make_run("elsewhere", *CONFIGURATION[1:], "seed=1")
    shown = find_run([f"{run.config_id}/seed1"], [committed])
    assert (shown.history, shown.predictions) == ({}, {})
    assert shown.notes == (
        "a committed record, without the folder of its run",
        "older than predictions.parquet: 1 of 1 record; force=true runs them again",
        "without a valid history next to them: 1 of 1 record",
    )


def test_a_run_with_a_folder_is_found_by_the_end_of_its_path():
    run = store_run()
    assert find_run([f"{run.config_id}/seed0"], []).place == str(run.folder)


def test_an_end_of_a_path_that_several_have_is_refused(committed):
    store_run("task=cola")
    with pytest.raises(ReportError, match="seed0: 2 runs; name one of them"):
        find_run(["seed0"], [committed])


def test_an_unknown_folder_is_refused():
    with pytest.raises(ReportError, match="a/b: no such folder, and no record in runs"):
        find_run(["a/b"], [])


def test_a_value_without_its_key_is_recognized():
    with pytest.raises(ConfigError, match=r"no such folder.*did you mean method=reinit"):
        find_run(["reinit"], [])


# ---------------------------------------------------------------- configurations


def test_an_unknown_key_is_reported():
    with pytest.raises(ConfigError, match="unknown key tsak; did you mean task"):
        find_run(["tsak=rte"], [])


def test_a_run_is_found_by_its_configuration_without_data_and_model():
    run = store_run()
    shown = find_run(CONFIGURATION, [])
    assert shown.place == str(run.folder)
    assert [note.partition(";")[0] for note in shown.notes[-2:]] == [
        "data is not available",
        "model is not available",
    ]


def test_a_committed_record_is_found_by_its_configuration(committed):
    shown = find_run([*CONFIGURATION, "seed=1"], [committed])
    assert shown.place == f"{committed}/mini/table1.jsonl:2"
    assert shown.config["seed"] == 1


def test_a_run_in_progress_is_found_by_its_configuration(committed):
    run = make_run("runs", *CONFIGURATION[1:], "seed=2")
    run.folder.mkdir(parents=True)
    with hold_claim(run.folder):
        assert find_run([*CONFIGURATION, "seed=2"], [committed]).state.startswith("in progress")


def test_a_configuration_without_a_run_is_refused_with_its_command_and_runs_like_it(committed):
    with pytest.raises(ReportError) as error:
        find_run([*CONFIGURATION, "seed=1", "optimizer.lr=1e-5"], [committed])
    first, *others = str(error.value).splitlines()
    assert "train it with `stablebert train scale=mini" in first
    cell = f"mini/rte/standard/{make_run('elsewhere', *CONFIGURATION[1:]).config_id}"
    assert others == ["Runs of mini rte standard:", f"  {cell}/seed1 (3epochs)"]


def test_runs_of_other_seeds_are_named_if_there_are_none_of_this_seed(committed):
    with pytest.raises(ReportError, match=r"/seed0 \(3epochs\)\n.*/seed1 \(3epochs\)"):
        find_run([*CONFIGURATION, "seed=7"], [committed])


def test_a_damaged_record_of_the_configuration_is_named():
    cell = store_run().folder.parent
    (cell / "seed01").mkdir()
    (cell / "seed01/result.json").write_text("{")
    with pytest.raises(ReportError, match=r"Skipped:\n  .*seed01/result\.json"):
        find_run([*CONFIGURATION, "seed=1"], [])


def test_a_configuration_that_cannot_be_identified_is_refused(committed):
    with pytest.raises(ReportError, match="there are none"):
        find_run([*CONFIGURATION, "task=cola"], [committed])
