"""Start and end of a grid's worker processes."""

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from stablebert.grid.worker import work
from stablebert.runs.run import Job
from stablebert.signals import ignored_interrupts, signal_name
from stablebert.tasks import TASKS


@dataclass
class Worker:
    """A process that does jobs one after another.

    Attributes:
        number: Number of the worker, from 0.
        process: The process.
        pipe: Our end of the connection to it.
        job: Job that it is doing; None if it is idle.
        start_time: Monotonic time at which it received the job, in seconds.
    """

    number: int
    process: BaseProcess
    pipe: Connection
    job: Job | None = None
    start_time: float = field(default_factory=time.monotonic)

    def assign(self, job: Job) -> None:
        """Send a job to the worker."""
        self.job, self.start_time = job, time.monotonic()
        with suppress(OSError):  # it has just died: the next read from its pipe shows that
            self.pipe.send(job)

    @property
    def cause_of_death(self) -> str:
        """Signal or exit code of a process that has ended."""
        self.process.join()
        code = self.process.exitcode or 0
        return signal_name(-code) if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """End the process now."""
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def close(self) -> None:
        """End the process: an idle worker by itself, a busy one now."""
        if self.job is not None:
            self.process.kill()
        self.pipe.close()  # an idle worker ends when its pipe closes

    def join(self) -> None:
        """Wait until the process has ended."""
        self.process.join(timeout=10)
        self.process.kill()
        self.process.join()


def start_worker(number: int, *, threads: int, gpus: Sequence[str]) -> Worker:
    """Start a worker process.

    Args:
        number: Number of the worker, from 0.
        threads: CPU threads.
        gpus: Devices that the workers share round-robin, as in CUDA_VISIBLE_DEVICES; empty on a
            CPU.
    """
    ours, theirs = multiprocessing.Pipe()
    # Libraries read these once, when the child loads them. Threads that wait actively cost ten
    # times more if there are more of them than idle cores.
    variables = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(threads)}
    if gpus:
        variables["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    with _environment(variables), ignored_interrupts():
        process = multiprocessing.get_context("spawn").Process(
            target=work, args=(theirs, number, threads, TASKS.own), daemon=True
        )
        process.start()
    theirs.close()
    return Worker(number, process, ours)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the block."""
    previous = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
