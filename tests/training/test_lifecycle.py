"""The lifecycle of a run: claim, history, record and crash record, however it ends."""

import errno
import json
import os
import signal
from types import SimpleNamespace

import pytest
import yaml

from stablebert.config.compose import compose
from stablebert.config.files import flatten
from stablebert.errors import MACHINE_ERRORS, InputError
from stablebert.runs.claims import ClaimedError, hold_claim, is_claimed
from stablebert.runs.predictions import digest_of, parse_predictions
from stablebert.runs.record import read_record
from stablebert.runs.run import Job
from stablebert.training import lifecycle
from stablebert.training.lifecycle import open_run, train_run, train_when_free
from tests.helpers.lifecycles import fail, finish, forced
from tests.helpers.outcomes import make_outcome, predict, store
from tests.helpers.runs import (
    FINISHED,
    history_of,
    make_run,
    make_run_record,
    names_in,
    store_run_record,
)


def test_a_finished_run_leaves_its_record_history_and_configuration(run):
    record = finish(run)
    assert names_in(run.folder) == FINISHED
    assert read_record(run.folder) == record
    assert history_of(run.folder) == [{"step": 1, "train/loss": 1.5}]


def test_the_stored_configuration_is_that_of_the_run(run):
    finish(run)
    values = flatten(yaml.safe_load((run.folder / "config.yaml").read_text()))
    assert compose([f"{key}={value}" for key, value in values.items()]) == run.cfg


def test_the_record_has_the_digest_of_the_predictions(run):
    record = finish(run)
    content = parse_predictions((run.folder / "predictions.parquet").read_bytes())
    assert digest_of(content[record.key]) == record.predictions_digest


def test_the_record_is_written_last(run, names_at_record):
    finish(run)
    assert names_at_record >= FINISHED - {"result.json"}


def test_an_older_crash_record_is_removed_before_the_record_is_written(run, request):
    fail(run, RuntimeError("out of luck"))
    names = request.getfixturevalue("names_at_record")  # failing writes a crash record itself
    finish(run)
    assert "crash.json" not in names


def test_a_finished_run_is_not_opened_again(run):
    record = finish(run)
    before = {name: (run.folder / name).read_bytes() for name in FINISHED}
    with open_run(Job(run)) as session:
        assert session.record == record
    assert {name: (run.folder / name).read_bytes() for name in names_in(run.folder)} == before


def test_a_forced_run_replaces_the_record(run):
    finish(run, best_step=6)
    test = store(test_at_last=predict((5, 5), (10, 10)))
    record = finish(forced(run), best_step=12, predictions=test)
    content = parse_predictions((run.folder / "predictions.parquet").read_bytes())
    assert digest_of(content[record.key]) == record.predictions_digest
    assert read_record(run.folder).val_best_step == 12
    assert names_in(run.folder) == FINISHED


def test_the_configuration_of_a_forced_run_is_that_of_the_run(run):
    finish(run)
    text = (run.folder / "config.yaml").read_text()
    finish(forced(run))
    assert (run.folder / "config.yaml").read_text() == text


def test_the_run_is_claimed_until_its_record_is_stored(run):
    with open_run(Job(run)) as session:
        assert is_claimed(run.folder)
        session.store(make_outcome())
        assert is_claimed(run.folder)
    assert not is_claimed(run.folder)


def test_a_run_that_another_process_executes_is_not_opened(run):
    with hold_claim(run.folder), pytest.raises(ClaimedError), open_run(Job(run)):
        pass


def test_an_exception_leaves_a_crash_record(run):
    fail(run, RuntimeError("out of luck"))
    crash = json.loads((run.folder / "crash.json").read_text())
    assert (crash["error"], crash["message"], crash["step"]) == ("RuntimeError", "out of luck", 7)
    assert "in raise_in_run" in crash["traceback"]
    assert crash["versions"]["torch"]


def test_an_exception_leaves_the_history_until_then(run):
    fail(run, RuntimeError("out of luck"))
    assert names_in(run.folder) == {"config.yaml", "crash.json", "history.jsonl"}
    assert history_of(run.folder) == [{"step": 1, "train/loss": 1.5}]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_a_stop_request_leaves_the_run_missing(run, error):
    fail(run, error)
    assert names_in(run.folder) == {"config.yaml"}


def test_a_stop_request_that_a_library_wraps_leaves_the_run_missing(run, monkeypatch):
    monkeypatch.setattr(lifecycle, "stop_signal", lambda: signal.SIGTERM)
    fail(run, RuntimeError("a process of the library has died"))
    assert names_in(run.folder) == {"config.yaml"}


@pytest.mark.parametrize("number", sorted(MACHINE_ERRORS))
def test_a_fault_of_the_folder_leaves_the_run_missing(run, number):
    fail(run, OSError(number, os.strerror(number)))
    assert names_in(run.folder) == {"config.yaml"}


def test_a_fault_of_the_folder_that_a_library_wraps_leaves_the_run_missing(run):
    fail(run, RuntimeError("Error while serializing: Read-only file system (os error 30)"))
    assert names_in(run.folder) == {"config.yaml"}


def test_a_fault_of_the_model_leaves_the_run_missing(run):
    fail(run, InputError("model.safetensors: truncated"))
    assert names_in(run.folder) == {"config.yaml"}


def test_an_operating_system_error_of_the_run_is_a_crash(run):
    fail(run, OSError(errno.ENOENT, "a file of the model"))
    assert "crash.json" in names_in(run.folder)


@pytest.mark.parametrize("error", [RuntimeError(), KeyboardInterrupt(), SystemExit(143)])
def test_the_claim_is_released_however_the_run_ends(run, error):
    fail(run, error)
    assert not is_claimed(run.folder)


def test_a_record_removes_an_older_crash_record(run):
    fail(run, RuntimeError("out of luck"))
    finish(run)
    assert names_in(run.folder) == FINISHED


@pytest.mark.parametrize("error", [RuntimeError(), KeyboardInterrupt()])
def test_a_forced_run_that_fails_keeps_the_finished_one(run, error):
    finish(run)
    before = {name: (run.folder / name).read_bytes() for name in FINISHED}
    fail(forced(run), error)
    assert {name: (run.folder / name).read_bytes() for name in names_in(run.folder)} == before


def test_the_record_of_a_faster_process_is_kept(run, caplog):
    with open_run(Job(run)) as session:
        faster = store_run_record(run, make_run_record(run, 0.9))
        assert session.store(make_outcome()) == faster
    assert read_record(run.folder) == faster
    assert "another process finished this run first" in caplog.text


def test_the_history_of_a_slower_process_is_dropped(run):
    with open_run(Job(run)) as session:
        store_run_record(run)
        (run.folder / "history.jsonl").write_text("of the faster process")
        session.store(make_outcome())
    assert (run.folder / "history.jsonl").read_text() == "of the faster process"
    assert not list(run.folder.glob("*.part"))


def test_a_record_written_between_check_and_write_is_kept(run, monkeypatch):
    faster = make_run_record(run, 0.9)

    def write(path, data, *, replace):
        store_run_record(run, faster)
        return False

    monkeypatch.setattr(lifecycle, "write_json", write)
    assert finish(run) == faster


def test_a_finished_run_is_not_trained_again(tmp_path, fit):
    run = make_run(tmp_path)
    assert train_run(run) == train_run(run)
    assert fit == [run]


def test_a_forced_run_is_trained_again(tmp_path, fit):
    run = make_run(tmp_path)
    train_run(run)
    train_run(forced(run))
    assert len(fit) == 2


def test_a_run_waits_while_another_process_trains_it(tmp_path, fit, monkeypatch, caplog):
    run = make_run(tmp_path)
    run.folder.mkdir(parents=True)
    holder = {"host": "node7", "boot": "b", "namespace": "n", "pid": 1, "token": "t"}
    (run.folder / "claim.json").write_text(json.dumps(holder))
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            (run.folder / "claim.json").unlink()

    monkeypatch.setattr(lifecycle, "time", SimpleNamespace(sleep=wait))
    assert train_when_free(Job(run)) == read_record(run.folder)
    assert len(waits) == 3
    assert caplog.text.count(f"waiting: {run.folder} is being run by process ") == 1


def test_a_runs_folder_that_is_a_file_is_the_fault_of_the_folder(tmp_path, fit):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file") as error:
        train_run(make_run(tmp_path / "file"))
    assert error.value.errno in MACHINE_ERRORS
