"""Worker processes: their environment, and how they end."""

import os
import signal

import pytest

from stablebert.grid import launchers
from stablebert.grid.launchers import start_worker
from stablebert.runs.run import Job
from tests.helpers.runs import make_run
from tests.helpers.worker_targets import exit_with_number, hang, send_environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environments():
    """Environments and SIGINT handlers of three workers that share two GPUs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launchers, "work", send_environment)
        patch.delenv("OMP_WAIT_POLICY", raising=False)
        workers = [start_worker(i, threads=2, gpus=["0", "1"]) for i in range(3)]
        answers = [worker.pipe.recv() for worker in workers]
        for worker in workers:
            worker.close()
        for worker in workers:
            worker.join()
        assert "OMP_WAIT_POLICY" not in os.environ
    return answers


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("OMP_WAIT_POLICY", ["PASSIVE"] * 3),
        ("OMP_NUM_THREADS", ["2"] * 3),
        ("CUDA_VISIBLE_DEVICES", ["0", "1", "0"]),
    ],
)
def test_workers_wait_passively_and_share_cores_and_gpus(environments, name, values):
    """docs/pitfalls.md, 27."""
    assert [environment[name] for environment, _ in environments] == values


def test_workers_ignore_ctrl_c(environments):
    """It reaches the whole process group, and only the parent acts on it."""
    assert {handler for _, handler in environments} == {signal.SIG_IGN}


def test_the_cause_of_death_is_the_exit_code(monkeypatch):
    monkeypatch.setattr(launchers, "work", exit_with_number)
    assert start_worker(3, threads=1, gpus=[]).cause_of_death == "exit code 3"


@pytest.fixture
def busy(monkeypatch):
    """Worker that does a job."""
    monkeypatch.setattr(launchers, "work", hang)
    worker = start_worker(0, threads=1, gpus=[])
    worker.assign(Job(make_run()))
    assert worker.pipe.recv() == "busy"
    return worker


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGRTMIN + 3, "SIGRTMIN+3")]
)
def test_the_cause_of_death_is_the_signal(busy, number, name):
    os.kill(busy.process.pid, number)
    assert busy.cause_of_death == name


@pytest.mark.parametrize("end", ["kill", "close"])
def test_a_busy_worker_is_killed(busy, end):
    getattr(busy, end)()
    busy.join()
    assert busy.cause_of_death == "SIGKILL"


def test_a_job_for_a_dead_worker_raises_nothing(busy):
    os.kill(busy.process.pid, signal.SIGKILL)
    busy.process.join()
    busy.assign(Job(make_run()))
    busy.kill()
