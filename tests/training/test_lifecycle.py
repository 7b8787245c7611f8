"""The lifecycle of a run: claim, history, mirror, record and crash record, however it ends."""

import errno
import json
import os
import signal
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from stablebert.config.compose import compose
from stablebert.config.files import flatten
from stablebert.errors import MACHINE_ERRORS, InputError
from stablebert.runs.claims import ClaimedError, hold_claim, is_claimed
from stablebert.runs.early_score import EarlyScore, read_early_score, write_early_score
from stablebert.runs.locate import locate
from stablebert.runs.predictions import digest_of, parse_predictions
from stablebert.runs.record import RecordError, read_record
from stablebert.runs.run import Job
from stablebert.runs.weights import read_weights
from stablebert.training import lifecycle
from stablebert.training.lifecycle import open_run, run_job, train_run, train_when_free
from stablebert.training.module import GlueClassifier
from tests.helpers.fork_server import call_program, start_in_fork
from tests.helpers.outcomes import make_outcome, predict, store
from tests.helpers.runs import (
    FINISHED,
    check_is_complete,
    folder_of,
    history_of,
    make_run,
    make_run_record,
    names_in,
    store_run_record,
)

# ---------------------------------------------------------------- without training


def forced(run):
    return replace(run, cfg=replace(run.cfg, force=True))


def finish(run, **changes):
    """Finish a run without training it; return its record."""
    with open_run(Job(run)) as session:
        session.loggers[0].log_metrics({"train/loss": 1.5}, step=1)
        return session.store(make_outcome(**changes))


def fail(run, error):
    """End a run with an error after it has logged a step."""

    def raise_in_run():
        with open_run(Job(run)) as session:
            session.loggers[0].log_metrics({"train/loss": 1.5}, step=1)
            session.watch.step = 7
            raise error

    with pytest.raises(type(error)):
        raise_in_run()


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


@pytest.fixture
def names_at_record(run, monkeypatch):
    """Names in the folder of the run when its record is about to be written."""
    names = set()

    def write(path, data, *, replace):
        names.update(names_in(run.folder))
        return True

    monkeypatch.setattr(lifecycle, "write_json", write)
    return names


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


class Mirror:
    """Mirror that remembers how it ended."""

    def __init__(self):
        self.rows, self.end = [], None

    def log(self, metrics, step):
        self.rows.append((metrics, step))

    def finish(self, record, run):
        self.end = record

    def crash(self, error):
        self.end = error

    def preempt(self):
        self.end = "preempted"


@pytest.fixture
def mirror(monkeypatch):
    """Mirror of the runs that the test opens."""
    mirror = Mirror()
    monkeypatch.setattr(lifecycle, "open_mirror", lambda run: mirror)
    return mirror


def test_the_mirror_is_a_logger(run, mirror):
    with open_run(Job(run)) as session:
        for logger in session.loggers:
            logger.log_metrics({"train/loss": 1.5}, step=1)
        session.store(make_outcome())
    assert mirror.rows == [({"train/loss": 1.5}, 1)]


def test_the_mirror_ends_with_the_record(run, mirror):
    assert finish(run) == mirror.end


def test_the_mirror_ends_with_the_error(run, mirror):
    error = RuntimeError("out of luck")
    fail(run, error)
    assert mirror.end is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_the_mirror_ends_as_preempted_on_a_stop_request(run, mirror, error):
    fail(run, error)
    assert mirror.end == "preempted"


@pytest.mark.parametrize(
    ("error", "end"), [(ValueError("out of luck"), None), (KeyboardInterrupt(), "preempted")]
)
def test_the_mirror_ends_with_the_error_of_the_run_that_it_starts_from(
    pair, mirror, monkeypatch, error, end
):
    """A sweep that hands out a W&B run must learn how it ended, to hand out a preempted one."""

    def fit(*_):
        raise error

    monkeypatch.setattr(lifecycle, "fit", fit)
    monkeypatch.setattr(lifecycle, "open_mirror", lambda run: mirror if run.start else None)
    with pytest.raises(type(error)):
        train_run(pair[0])
    assert mirror.end == (end or error)


def test_a_finished_run_is_mirrored(run, monkeypatch):
    record, mirrored = finish(run), []
    monkeypatch.setattr(lifecycle, "mirror_finished_run", lambda *pair: mirrored.append(pair))
    with open_run(Job(run)):
        pass
    assert mirrored == [(record, run)]


@pytest.fixture
def fit(monkeypatch):
    """Replace training by an outcome; return the runs that were trained."""
    runs = []

    def fit(run, loggers, watchers, watch, checkpoint):
        runs.append(run)
        return make_outcome(run.cfg.task)

    monkeypatch.setattr(lifecycle, "fit", fit)
    monkeypatch.setattr(
        lifecycle, "save_encoder", lambda model, folder, **_: folder.mkdir(exist_ok=True)
    )
    return runs


def test_a_finished_run_is_not_trained_again(tmp_path, fit):
    run = make_run(tmp_path)
    assert train_run(run) == train_run(run)
    assert fit == [run]


def test_a_forced_run_is_trained_again(tmp_path, fit):
    run = make_run(tmp_path)
    train_run(run)
    train_run(forced(run))
    assert len(fit) == 2


def test_the_start_is_trained_first_and_keeps_its_encoder(tmp_path, fit):
    start = make_run(tmp_path, "task=sst2")
    run = make_run(tmp_path, "method=intermediate", start=start)
    train_run(run)
    assert fit == [start, run]
    assert Job(run).prerequisite.is_done


def test_a_start_whose_encoder_is_lost_is_trained_again(tmp_path, fit):
    start = make_run(tmp_path, "task=sst2")
    run = make_run(tmp_path, "method=intermediate", start=start)
    train_run(start)
    train_run(run)
    assert fit == [start, start, run]


@pytest.fixture
def saved_encoders(fit, monkeypatch):
    """Number of the training of each encoder that was saved."""
    saved = []

    def save(model, folder, **_):
        folder.mkdir(exist_ok=True)
        saved.append(len(fit))

    monkeypatch.setattr(lifecycle, "save_encoder", save)
    return saved


def test_record_and_encoder_of_a_start_are_of_one_training(
    tmp_path, fit, saved_encoders, monkeypatch, caplog
):
    """On a GPU, the training of a finished run whose encoder is lost may give another record."""
    start = make_run(tmp_path, "task=sst2")
    train_run(start)
    test = store(test_at_last=predict((5, 5), (10, 10)))
    train_again = lifecycle.fit
    monkeypatch.setattr(
        lifecycle, "fit", lambda *args: replace(train_again(*args), predictions=test)
    )
    record = run_job(Job(start, keep_encoder=True))
    assert (fit, saved_encoders) == ([start, start], [2])
    assert read_record(start.folder) == record
    assert record.predictions_digest == digest_of(test)
    assert "another process" not in caplog.text


def test_the_encoder_of_a_faster_process_is_kept(run, saved_encoders):
    with open_run(Job(run, keep_encoder=True)) as session:
        store_run_record(run)
        (run.folder / "encoder").mkdir()
        session.store(make_outcome())
    assert saved_encoders == []


@pytest.fixture
def pair(tmp_path):
    """Run, and the run that it starts from."""
    start = make_run(tmp_path, "task=sst2")
    return make_run(tmp_path, "method=intermediate", start=start), start


def test_a_start_without_a_record_is_trained_again(pair, fit):
    """Its process was killed after it had saved the encoder."""
    run, start = pair
    (start.folder / "encoder").mkdir(parents=True)
    record = train_run(run)
    assert fit == [start, run]
    assert record.start["config_id"] == start.config_id


def test_a_damaged_record_of_a_start_is_reported_before_the_training(pair, fit):
    run, start = pair
    train_run(run)
    (start.folder / "result.json").write_text("{")
    with pytest.raises(RecordError, match="sst2"):
        train_run(forced(run))
    assert fit == [start, run]


def test_a_record_of_a_start_that_is_deleted_during_the_training_is_an_error(pair, fit):
    run, start = pair
    train_run(run)

    def delete_record():
        with open_run(Job(forced(run))) as session:
            (start.folder / "result.json").unlink()
            session.store(make_outcome())

    with pytest.raises(RecordError, match=r"sst2.*result\.json: deleted while"):
        delete_record()


def test_what_a_killed_process_left_in_a_finished_start_is_deleted(pair, fit):
    run, start = pair
    train_run(start)
    (start.folder / "encoder").mkdir()
    (start.folder / f"history.jsonl.{'0' * 32}.part").touch()
    train_run(run)
    assert names_in(start.folder) == {*FINISHED, "encoder"}


def test_a_forced_start_replaces_its_encoder(pair, fit, monkeypatch):
    run, start = pair
    train_run(run)
    saved = []
    monkeypatch.setattr(lifecycle, "save_encoder", lambda model, folder, **_: saved.append(folder))
    train_run(forced(start))
    assert saved == [start.folder / "encoder"]


def test_a_start_is_trained_once_for_all_runs(tmp_path, fit):
    start = make_run(tmp_path, "task=sst2")
    runs = [make_run(tmp_path, "method=intermediate", f"seed={i}", start=start) for i in (0, 1)]
    for run in runs:
        train_run(run)
    assert fit == [start, *runs]


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


def test_an_early_validation_stores_only_its_score(tmp_path, monkeypatch):
    score = EarlyScore(5, 20, 0.6, 1.0)
    monkeypatch.setattr(lifecycle, "fit_partly", lambda *_: score)
    run = make_run(tmp_path)
    assert run_job(Job(run, stop_after=0.25)) == score
    assert read_early_score(run, 0.25) == score
    assert names_in(run.folder) == {"peek-0.25.json"}


def test_an_early_validation_that_another_process_has_done_is_not_repeated(tmp_path, monkeypatch):
    """The other process ends between the check of the grid and the claim."""
    run, score = make_run(tmp_path), EarlyScore(5, 20, 0.6, 1.0)
    run.folder.mkdir(parents=True)
    write_early_score(run, 0.25, score)
    monkeypatch.setattr(lifecycle, "fit_partly", lambda *_: pytest.fail("it is repeated"))
    assert run_job(Job(run, stop_after=0.25)) == score
    record = store_run_record(run)
    assert run_job(Job(run, stop_after=0.5)) == record


def fail_early(run, monkeypatch, error):
    """End the early validation of a run with an error after seven steps."""

    def fit_partly(run, fraction, watchers, watch):
        watch.step = 7
        raise error

    monkeypatch.setattr(lifecycle, "fit_partly", fit_partly)
    with pytest.raises(type(error)):
        run_job(Job(run, stop_after=0.25))


def test_an_exception_in_an_early_validation_leaves_a_crash_record(run, monkeypatch):
    fail_early(run, monkeypatch, RuntimeError("out of luck"))
    crash = json.loads((run.folder / "crash.json").read_text())
    assert (crash["error"], crash["message"], crash["step"]) == ("RuntimeError", "out of luck", 7)
    assert "in fit_partly" in crash["traceback"]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full"), InputError("truncated")]
)
def test_an_early_validation_without_fault_of_the_run_leaves_no_crash_record(
    run, monkeypatch, error
):
    fail_early(run, monkeypatch, error)
    assert names_in(run.folder) == set()


@pytest.fixture
def weights(fit, monkeypatch):
    """Replace the weights of a model by those that the list holds."""
    weights = [np.zeros(1)]
    monkeypatch.setattr(lifecycle, "whole_weights", lambda model: {"w": weights[0]})
    return weights


def keeping(run):
    """Return the run with a request to keep its weights."""
    trainer = replace(run.cfg.trainer, keep_weights=True)
    return replace(run, cfg=replace(run.cfg, trainer=trainer))


@pytest.mark.parametrize("keep", [False, True])
def test_weights_are_kept_on_request(run, weights, keep):
    train_run(keeping(run) if keep else run)
    assert names_in(run.folder) - FINISHED == ({"weights.safetensors"} if keep else set())


def test_weights_are_written_before_the_record(run, weights, names_at_record):
    train_run(keeping(run))
    assert "weights.safetensors" in names_at_record


def test_a_finished_run_without_its_weights_is_trained_again(run, weights, fit):
    train_run(run)
    record = train_run(keeping(run))
    assert len(fit) == 2
    assert dict(read_weights(run.folder, record)) == {"w": [0]}


def test_the_record_of_a_run_without_its_weights_is_replaced(run, weights, monkeypatch):
    train_run(run)
    test = store(test_at_last=predict((5, 5), (10, 10)))
    monkeypatch.setattr(lifecycle, "fit", lambda *_: make_outcome(predictions=test))
    record = train_run(keeping(run))
    assert read_record(run.folder) == record
    assert record.predictions_digest == digest_of(test)


def test_a_finished_run_with_its_weights_is_not_trained_again(run, weights, fit):
    assert train_run(keeping(run)) == train_run(keeping(run)) == train_run(run)
    assert len(fit) == 1


def test_a_forced_run_replaces_its_weights(run, weights):
    train_run(keeping(run))
    weights[0] = np.ones(1)
    record = train_run(forced(run))
    assert dict(read_weights(run.folder, record)) == {"w": [1]}


@pytest.mark.parametrize("keep_encoder", [False, True])
def test_the_encoder_is_kept_on_request(tmp_path, fit, keep_encoder):
    job = Job(make_run(tmp_path), keep_encoder=keep_encoder)
    assert run_job(job) == read_record(job.run.folder)
    assert ("encoder" in names_in(job.run.folder)) == keep_encoder


def test_a_runs_folder_that_is_a_file_is_the_fault_of_the_folder(tmp_path, fit):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file") as error:
        train_run(make_run(tmp_path / "file"))
    assert error.value.errno in MACHINE_ERRORS


# ---------------------------------------------------------------- with training


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "number"), [("ro", errno.EROFS), ("size=64k", errno.ENOSPC)], ids=["ro", "full"]
)
def test_a_run_that_cannot_be_written_is_missing(run_arguments, mount, options, number):
    disk = mount(options)
    if number == errno.ENOSPC:
        (disk / "big").write_bytes(bytes(44 << 10))
    run = locate(compose(run_arguments(f"paths.runs={disk}", "trainer.max_steps=100")))
    with pytest.raises(OSError, match=os.strerror(number)) as error:
        train_run(run)
    assert error.value.errno == number
    assert not list(disk.rglob("*.json"))


@pytest.mark.slow
def test_two_processes_leave_one_complete_record(run_arguments, tmp_path):
    """docs/pitfalls.md, 20: the second is refused, or finds the record."""
    arguments = run_arguments()
    outputs = [tmp_path / "first", tmp_path / "second"]
    both = [start_in_fork(call_program, "train", *arguments, output=file) for file in outputs]
    for child, output in zip(both, outputs, strict=True):
        child.join()
        assert child.exitcode == 0 or "is being run by process" in output.read_text()
    assert 0 in [child.exitcode for child in both]
    check_is_complete([locate(compose(arguments))])


def interrupt(arguments, number, output):
    """Start a run, and send its process a signal after the first step; return status and output."""
    folder = folder_of(arguments)
    child = start_in_fork(call_program, "train", *arguments, output=output)
    while not any(part.stat().st_size for part in folder.glob("history.jsonl.*.part")):
        assert child.is_alive(), output.read_text()
        time.sleep(0.02)
    os.kill(child.pid, number)
    child.join()
    return child.exitcode, output.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGUSR1, 138)],
)
def test_a_stopped_process_leaves_the_run_missing(run_arguments, tmp_path, number, status):
    arguments = run_arguments("trainer.max_steps=100000")
    exit_code, output = interrupt(arguments, number, tmp_path / "output")
    assert exit_code == status, output
    assert not names_in(folder_of(arguments)) & {"result.json", "crash.json"}
    assert "rerun the command to start over" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_killed_process_leaves_the_run_missing_and_unclaimed(run_arguments, tmp_path):
    arguments = run_arguments("trainer.max_steps=100000")
    exit_code, output = interrupt(arguments, signal.SIGKILL, tmp_path / "output")
    assert exit_code == -signal.SIGKILL, output
    assert not names_in(folder_of(arguments)) & {"result.json", "crash.json"}
    assert not is_claimed(folder_of(arguments))


@pytest.mark.slow
def test_a_run_that_raises_while_it_trains_can_be_rerun(run_arguments, monkeypatch):
    run = locate(compose(run_arguments()))
    step = GlueClassifier.training_step

    def failing(self, batch, batch_idx):
        if batch_idx == 7:
            raise RuntimeError("out of luck")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(GlueClassifier, "training_step", failing)
        with pytest.raises(RuntimeError, match="out of luck"):
            train_run(run)
    crash = json.loads((run.folder / "crash.json").read_text())
    assert (crash["step"], "in failing" in crash["traceback"]) == (7, True)
    assert [line["step"] for line in history_of(run.folder)] == [1, 2, 3, 4, 5, 6]
    train_run(run)
    check_is_complete([run])
