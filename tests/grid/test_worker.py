"""The worker process, run in this one: what it answers to its parent."""

import errno
import os
import signal
import threading
from pathlib import Path

import pytest
import torch
from tqdm import tqdm

from stablebert.grid import worker
from stablebert.grid.worker import log_file, work
from stablebert.runs.claims import ClaimedError
from stablebert.runs.run import Job
from stablebert.training import lifecycle
from tests.helpers.runs import make_run, make_run_record, store_run_record

redirect_output = worker._redirect_output


class Pipe:
    """Connection to a parent that sends some jobs and then closes it."""

    def __init__(self, *jobs):
        self._jobs = list(jobs)
        self.messages = []

    def recv(self):
        if not self._jobs:
            raise EOFError
        return self._jobs.pop(0)

    def send(self, message):
        self.messages.append(message)


@pytest.fixture
def answer(monkeypatch):
    """Function that does a job in a worker and returns its messages; training is replaced."""
    monkeypatch.setattr(worker, "_redirect_output", lambda log: None)
    monkeypatch.setattr(worker.signal, "signal", lambda *_: None)
    monkeypatch.setattr(worker.faulthandler, "enable", lambda: None)
    monkeypatch.setattr(worker.gc, "collect", lambda: None)  # slow, and nothing was trained
    previous = torch.get_num_threads()

    def answer(training, *jobs, threads=1):
        monkeypatch.setattr(lifecycle, "run_job", training)
        pipe = Pipe(*jobs)
        work(pipe, 0, threads)
        return pipe.messages

    yield answer
    torch.set_num_threads(previous)


def fail_with(error):
    """Return a function that raises, such as a training."""

    def fail(*_):
        raise error

    return fail


@pytest.fixture
def job(tmp_path):
    """Job of a run without files."""
    return Job(make_run(tmp_path))


def test_progress_bars_create_no_semaphore_that_a_killed_worker_leaves(answer, job, monkeypatch):
    monkeypatch.delattr(tqdm, "_lock", raising=False)
    answer(lambda job, watchers: None, job)
    assert isinstance(tqdm.get_lock(), type(threading.RLock()))


def test_the_record_of_a_run_is_the_answer(answer, job):
    record = make_run_record(job.run)
    assert answer(lambda job, watchers: record, job) == [("done", record)]


def test_a_worker_does_one_job_after_another(answer, tmp_path):
    jobs = [Job(make_run(tmp_path, f"seed={seed}")) for seed in range(3)]
    messages = answer(lambda job, watchers: job.run.cfg.seed, *jobs)
    assert messages == [("done", 0), ("done", 1), ("done", 2)]


def test_a_finished_run_is_not_executed(answer, job):
    store_run_record(job.run)
    assert answer(fail_with(AssertionError()), job) == [("elsewhere", None)]


def test_a_run_that_another_process_holds_is_elsewhere(answer, job):
    assert answer(fail_with(ClaimedError("is being run")), job) == [("elsewhere", None)]


def test_an_exception_is_reported_with_its_type(answer, job):
    messages = answer(fail_with(ValueError("too long")), job)
    assert messages == [("crashed", ("ValueError: too long", None))]


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, "full"), errno.ENOSPC),
        (RuntimeError("Too many open files (os error 24)"), errno.EMFILE),
        (OSError(errno.ENOENT, "no file"), None),
    ],
    ids=str,
)
def test_a_fault_of_the_machine_is_reported_with_its_number(answer, job, error, number):
    ((kind, (_, fault)),) = answer(fail_with(error), job)
    assert (kind, fault) == ("crashed", number)


def test_a_crash_does_not_end_the_worker(answer, tmp_path):
    jobs = [Job(make_run(tmp_path, f"seed={seed}")) for seed in range(2)]

    def training(job, watchers):
        if job.run.cfg.seed == 0:
            raise ValueError
        return "record"

    assert [kind for kind, _ in answer(training, *jobs)] == ["crashed", "done"]


def test_steps_are_sent_to_the_parent(answer, job):
    def training(job, watchers):
        (sender,) = watchers
        sender.send(3, 20)
        return "record"

    assert answer(training, job) == [("step", (3, 20)), ("done", "record")]


@pytest.mark.parametrize(("configured", "threads"), [("null", 3), ("2", 2)])
def test_threads_are_the_configured_ones_or_the_worker_s(answer, tmp_path, configured, threads):
    run = make_run(tmp_path, f"trainer.threads={configured}")
    answer(lambda job, watchers: None, Job(run), threads=3)
    assert torch.get_num_threads() == threads


def test_a_worker_whose_parent_has_ended_ends_in_the_middle_of_a_run(answer, job, monkeypatch):
    def training(job, watchers):
        (sender,) = watchers
        sender.send(3, 20)

    monkeypatch.setattr(Pipe, "send", fail_with(BrokenPipeError()))
    with pytest.raises(SystemExit) as end:
        answer(training, job)
    assert end.value.code == 143


def test_a_crash_shows_no_credentials(answer, job):
    error = OSError("no answer from https://me:5ec2e7@hub.example")
    ((_, (message, _)),) = answer(fail_with(error), job)
    assert message == "OSError: no answer from https://***@hub.example"


def test_a_stop_that_a_library_wraps_is_not_a_crash(answer, job, monkeypatch):
    monkeypatch.setattr(worker, "stop_signal", lambda: signal.SIGHUP)
    with pytest.raises(SystemExit) as end:
        answer(fail_with(RuntimeError("a process of the library has died")), job)
    assert end.value.code == 128 + signal.SIGHUP


def test_a_worker_whose_parent_has_ended_ends_after_a_run(answer, tmp_path, monkeypatch):
    jobs = [Job(make_run(tmp_path, f"seed={seed}")) for seed in range(2)]
    seeds = []
    monkeypatch.setattr(Pipe, "send", fail_with(BrokenPipeError()))
    answer(lambda job, watchers: seeds.append(job.run.cfg.seed), *jobs)
    assert seeds == [0]


def test_a_runs_folder_that_is_a_file_is_reported_with_its_number(answer, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(worker, "_redirect_output", redirect_output)
    ((kind, (message, number)),) = answer(None, Job(make_run(tmp_path / "file")))
    assert (kind, number) == ("crashed", errno.ENOTDIR)
    assert str(tmp_path / "file") in message


def test_every_worker_has_its_own_log(job, tmp_path):
    assert log_file(job, 3) == tmp_path / "logs" / "worker3.log"


def test_the_log_is_not_executable(tmp_path):
    descriptors = [os.dup(1), os.dup(2)]
    log = tmp_path / "logs" / "worker0.log"
    try:
        worker._redirect_output(log)
    finally:
        for number, descriptor in zip((1, 2), descriptors, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
    assert log.stat().st_mode & 0o111 == 0


@pytest.mark.parametrize("channel", [1, 2])
def test_output_goes_to_the_log(tmp_path, channel):
    descriptors = [os.dup(1), os.dup(2)]
    log = Path(tmp_path / "logs" / "worker0.log")
    try:
        worker._redirect_output(log)
        os.write(channel, b"from a library\n")
    finally:
        for number, descriptor in zip((1, 2), descriptors, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
    assert log.read_text() == "from a library\n"
