"""The checkpoint of a run: an interrupted run that resumes equals one that was not interrupted."""

import json
import os
import random
import shutil
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback

from stablebert.config.files import load_conf
from stablebert.runs.files import CHECKPOINT
from stablebert.training.checkpoint import RunCheckpoint
from stablebert.training.fit import fit
from stablebert.training.lifecycle import train_run
from stablebert.training.loggers import HistoryLogger, MirrorLogger
from stablebert.training.stopwatch import Stopwatch
from tests.helpers.checkpoints import (
    AT_THE_END,
    BEFORE_A_STEP,
    EVERY_STEP,
    IN_A_STEP,
    IN_A_VALIDATION,
    IN_THE_TEST,
    STEPS,
    VARIANTS,
    interrupt,
    left_by,
)
from tests.helpers.disk import full_disk
from tests.helpers.fork_server import call_in_fork, call_program
from tests.helpers.runs import names_in

pytestmark = pytest.mark.slow

METHODS = [name for name in load_conf("methods") if name != "longer"]  # a length


class Copies(Callback):
    """Callback that copies the checkpoint after each step, which must be listed last."""

    def __init__(self, run, folder):
        self._path, self._folder = run.folder / CHECKPOINT, folder

    def on_train_batch_start(self, trainer, *args):
        if self._path.exists():
            shutil.copy(self._path, self._folder / f"{trainer.global_step}")


# ---------------------------------------------------------------- resuming

_random = random.Random(21)
INTERRUPTIONS = [
    ("standard", BEFORE_A_STEP, _random.randint(1, 9)),
    ("padded", IN_A_VALIDATION, _random.choice([3, 6, 9])),
    ("epochs", IN_A_STEP, _random.randint(1, 7)),
    ("accumulated", IN_A_STEP, _random.randint(1, 9)),
    ("mixout", AT_THE_END, STEPS),
    ("ema", IN_A_VALIDATION, STEPS),
    ("muon", IN_THE_TEST, STEPS),
]


@pytest.mark.parametrize(("name", "place", "step"), INTERRUPTIONS)
def test_a_run_that_was_stopped_resumes_bit_for_bit(name, place, step, make, uninterrupted, caplog):
    run, arguments = make(*VARIANTS[name])
    exit_code, output = interrupt(run, arguments, place, signal.SIGTERM, step)
    assert exit_code == 143, output
    assert CHECKPOINT in names_in(run.folder)
    train_run(run)
    assert "resuming from step " in caplog.text
    assert left_by(run) == uninterrupted(*VARIANTS[name])


def test_a_run_that_is_stopped_again_and_again_resumes_each_time(make, uninterrupted):
    run, arguments = make()
    for step in (2, 5, 8):
        exit_code, output = interrupt(run, arguments, BEFORE_A_STEP, signal.SIGTERM, step)
        assert exit_code == 143, output
    train_run(run)
    assert left_by(run) == uninterrupted()


class SignalingFile:
    """File that sends this process a signal after its first bytes are written."""

    def __init__(self, file, number):
        self._file, self._number = file, number

    def write(self, data):
        count = self._file.write(data)
        self._file.flush()
        os.kill(os.getpid(), self._number)
        return count


def train_and_signal_in_the_writing(number, step, *argv):
    """Train, and send this process a signal while the checkpoint of a step is written."""
    save = torch.save

    def save_with_signal(content, file):
        save(content, SignalingFile(file, number) if content["global_step"] == step else file)

    torch.save = save_with_signal
    return call_program("train", *argv)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_signal_in_the_writing_of_a_checkpoint_leaves_the_one_before(
    number, status, make, uninterrupted, tmp_path, caplog
):
    run, arguments = make()
    arguments = [*arguments, EVERY_STEP]
    exit_code, output = call_in_fork(
        train_and_signal_in_the_writing, number, 5, *arguments, output=tmp_path / "output"
    )
    assert exit_code == status, output
    assert "crash.json" not in names_in(run.folder)
    train_run(run)
    assert "resuming from step 4 of 10, checkpoint of 20" in caplog.text
    assert left_by(run) == uninterrupted()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("changes", [[], ["trainer.packing=padded", "trainer.accumulate=2"]])
@pytest.mark.stress
def test_every_method_resumes_from_every_step(method, changes, make, uninterrupted, tmp_path):
    check_every_step([f"method={method}", *changes], make, uninterrupted, tmp_path)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.stress
def test_every_variant_resumes_from_every_step(name, make, uninterrupted, tmp_path):
    check_every_step(VARIANTS[name], make, uninterrupted, tmp_path)


def check_every_step(changes, make, uninterrupted, folder):
    """Check that saving changes nothing, and that each checkpoint leads to the same end."""
    run, _ = make(*changes, EVERY_STEP)
    train_run(run, [Copies(run, folder)])
    assert left_by(run) == uninterrupted(*changes)
    copies = list(folder.iterdir())
    assert len(copies) == left_by(run)[0]["steps"] - 1
    for copy in copies:
        run, _ = make(*changes)
        run.folder.mkdir(parents=True)
        shutil.copy(copy, run.folder / CHECKPOINT)
        train_run(run)
        assert left_by(run) == uninterrupted(*changes), f"from step {copy.name}"


# ---------------------------------------------------------------- life of the file


def test_without_the_setting_there_is_no_checkpoint(make, tmp_path):
    run, _ = make()
    train_run(run, [Copies(run, tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_saved_only_after_the_interval(make, tmp_path):
    run, _ = make("trainer.checkpoint_minutes=1000")
    train_run(run, [Copies(run, tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_a_forced_run_starts_over(copied, uninterrupted, caplog):
    run, _ = copied
    train_run(replace(run, cfg=replace(run.cfg, force=True)))
    assert "resuming" not in caplog.text
    assert left_by(run) == uninterrupted()


def test_a_run_that_crashed_resumes(copied, uninterrupted):
    run, _ = copied
    (run.folder / "crash.json").write_text("{}")
    train_run(run)
    assert left_by(run) == uninterrupted()


def test_a_run_with_a_damaged_checkpoint_starts_over(copied, uninterrupted, caplog):
    run, path = copied
    path.write_bytes(path.read_bytes()[:-1])
    train_run(run)
    assert "training starts over" in caplog.text
    assert left_by(run) == uninterrupted()


def test_a_checkpoint_that_cannot_be_saved_is_reported_and_the_run_continues(
    make, uninterrupted, caplog
):
    run, _ = make(EVERY_STEP)
    with full_disk(room=100_000):  # enough for the other files
        train_run(run)
    path = run.folder / CHECKPOINT
    assert f"{path}: cannot be saved, the run continues: [Errno 27] File too large" in caplog.text
    assert left_by(run) == uninterrupted()


def test_the_seconds_of_all_attempts_add_up(interrupted, make):
    content = torch.load(interrupted.folder / CHECKPOINT, weights_only=True)
    run, _ = make()
    run.folder.mkdir(parents=True)
    earlier = content["callbacks"]["Stopwatch"]["seconds"]
    earlier |= {"load": 1e3, "train": 2e3, "validate": 3e3}
    torch.save(content, run.folder / CHECKPOINT)
    seconds = train_run(run).seconds
    assert {name: seconds[name] // 1e3 for name in seconds} == {
        **{"load": 1, "train": 2, "validate": 3, "test": 0}
    }


def test_metrics_before_the_checkpoint_reach_every_logger_again(copied, tmp_path):
    run, _ = copied
    logs = []
    sink = SimpleNamespace(log=lambda metrics, step: logs.append((step, metrics)))
    history = HistoryLogger(tmp_path / "history.jsonl")
    fit(run, [history, MirrorLogger(sink)], [], Stopwatch(), RunCheckpoint(run, history))
    history.complete()
    lines = [json.loads(line) for line in history.path.read_text().splitlines()]
    by_step = {}
    for step, metrics in logs:
        by_step.setdefault(step, {"step": step}).update(metrics)
    assert list(by_step.values()) == lines
    assert lines[0]["step"] == 1
