"""Runs that are stopped, killed or raise while they train, or that cannot be written."""

import errno
import json
import os
import signal
import time

import pytest

from stablebert.config.compose import compose
from stablebert.runs.claims import is_claimed
from stablebert.runs.locate import locate
from stablebert.training.lifecycle import train_run
from stablebert.training.module import GlueClassifier
from tests.helpers.fork_server import call_program, start_in_fork
from tests.helpers.runs import check_is_complete, folder_of, history_of, names_in


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
