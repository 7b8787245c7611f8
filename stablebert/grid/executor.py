"""Execution of a grid's jobs in warm worker processes.

The parent never imports torch: it hands out jobs, shows progress, and outlives any worker.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from stablebert.errors import ActionableError
from stablebert.grid.clock import Clock
from stablebert.grid.display import Display, describe_result
from stablebert.grid.launchers import Worker, start_worker
from stablebert.grid.worker import log_file
from stablebert.machine import device_names, usable_cores
from stablebert.runs.claims import describe_claim, is_claimed
from stablebert.runs.early_score import EarlyScore, read_result
from stablebert.runs.files import CRASH, write_json
from stablebert.runs.record import RecordError, RunRecord
from stablebert.runs.run import Job
from stablebert.tracking.outage import share_outages

CPU_WORKERS = 4
"""Default number of workers on a CPU: short steps gain little from more threads."""
POLL_SECONDS = 2.0
"""Seconds between two checks of runs that other processes execute."""


class GridError(ActionableError):
    """The grid cannot continue; finished runs are kept."""


@dataclass
class GridOutcome:
    """Number of finished jobs, and the jobs that crashed."""

    finished: int = 0
    crashed: list[Job] = field(default_factory=list)


def run_grid(
    jobs: Sequence[Job],
    *,
    workers: int,
    gpus: Sequence[str] = (),
    threads: int | None = None,
    timing_records: Iterable[RunRecord] = (),
    say: Callable[[str], None] = print,
    after_job: Callable[[], None] = lambda: None,
) -> GridOutcome:
    """Do jobs in warm workers until each is done or has crashed.

    The runs that others start from are trained first, once. A worker that dies is replaced, and
    its job is tried once more. Runs that another process executes are waited for.

    Args:
        jobs: Jobs, in order.
        workers: Number of worker processes.
        gpus: Devices that the workers share round-robin, as in CUDA_VISIBLE_DEVICES; empty on a
            CPU.
        threads: CPU threads of each worker; None for cores // workers.
        timing_records: Finished runs, to estimate the remaining time.
        say: Function that prints a line.
        after_job: Function that is called whenever a job has ended.

    Raises:
        GridError: If the disk is full or not writable, or a model or data cannot be used.
        KeyboardInterrupt: On Ctrl-C, after the workers have been stopped.
    """
    if not jobs:
        return GridOutcome()
    prerequisites = [job.prerequisite for job in jobs]
    starts = {job.run.folder: job for job in prerequisites if job and not job.is_done}
    for start in starts.values():
        say(f"training first, because other runs start from it: {start.run.name}")
    queue = [*starts.values(), *jobs]
    executor = _Executor(
        queue,
        size=min(workers, len(queue)),
        gpus=gpus,
        threads=threads,
        clock=Clock(timing_records, device_names()),
        display=Display(len(queue), say),
        after_job=after_job,
    )
    with share_outages():
        try:
            return executor.run()
        finally:
            executor.stop()


class _Executor:
    """Dispatcher that hands out jobs to workers and collects their answers."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        size: int,
        gpus: Sequence[str],
        threads: int | None,
        clock: Clock,
        display: Display,
        after_job: Callable[[], None],
    ):
        self.queue = deque(jobs)
        self.elsewhere: list[Job] = []
        """Jobs that another process is doing or has done."""
        self.reported: set[Path] = set()
        """Folders of the runs of which the grid has said that it waits for them."""
        self.retried: set[Path] = set()
        """Folders of the runs during which a worker died once."""
        self.size = size
        self.gpus = gpus
        self.threads = threads or max(1, usable_cores() // max(1, size))
        self.clock = clock
        self.display = display
        self.after_job = after_job
        self.outcome = GridOutcome()
        self.workers: list[Worker] = []
        self.last_check = 0.0

    def run(self) -> GridOutcome:
        """Do all jobs."""
        for number in range(self.size):
            self.workers.append(self._start(number))
        while self.queue or self.elsewhere or any(worker.job for worker in self.workers):
            self._check_elsewhere()
            for worker in self.workers:
                if worker.job is None:
                    self._assign(worker)
            ready = wait([w.pipe for w in self.workers], timeout=POLL_SECONDS / 4)
            for worker in list(self.workers):
                if worker.pipe in ready:
                    self._receive(worker)
        return self.outcome

    def stop(self) -> None:
        """End all workers; the claim of a dead process expires at once."""
        for worker in self.workers:
            worker.close()
        for worker in self.workers:
            worker.join()
        self.display.close()

    def _start(self, number: int) -> Worker:
        self.display.add_worker(number)
        return start_worker(number, threads=self.threads, gpus=self.gpus)

    def _assign(self, worker: Worker) -> None:
        """Give the next job that can start to an idle worker."""
        crashed_folders = {job.run.folder for job in self.outcome.crashed}
        for _ in range(len(self.queue)):
            job = self.queue.popleft()
            start = job.prerequisite
            if job.is_done or is_claimed(job.run.folder):
                self.elsewhere.append(job)
            elif start and not start.is_done and start.run.folder in crashed_folders:
                self._crash(job, f"the run that it starts from crashed: {start.run.name}")
            elif start and not start.is_done:
                self.queue.append(job)
            else:
                self.display.start(worker.number, job.run.name)
                worker.assign(job)
                return

    def _receive(self, worker: Worker) -> None:
        """Act on one message of a worker."""
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace_dead(worker)
            return
        if kind == "step":
            self.display.advance(worker.number, *content)
            return
        job, worker.job = worker.job, None
        if job is None:
            return
        if kind == "done":
            self._finish(job, content, time.monotonic() - worker.start_time)
        elif kind == "elsewhere":
            self.elsewhere.append(job)
        elif kind == "refused":
            raise GridError(f"{content} (needed by {job.run.name}; finished runs are kept)")
        else:
            message, fault = content
            if fault is not None:
                reason = "" if os.strerror(fault) in message else f" ({os.strerror(fault)})"
                advice = "every other run would fail too"
                raise GridError(f"{job.run.name}: {message}{reason}; {advice}")
            self._crash(job, message)
            # an exception may leave a worker unusable, its CUDA context above all
            self._renew(worker)

    def _replace_dead(self, worker: Worker) -> None:
        """Replace a worker that the OOM killer, a signal or a fault in a library has ended."""
        job, cause = worker.job, worker.cause_of_death
        if job and job.is_done:
            self.elsewhere.append(job)
        elif job and job.run.folder in self.retried:
            log = log_file(job, worker.number)
            self._crash(job, f"its worker died twice ({cause}); see {log}")
        elif job:
            self.retried.add(job.run.folder)
            self.queue.appendleft(job)
            self.display.say(f"worker {worker.number} died ({cause}); retrying {job.run.name} once")
        self._renew(worker)

    def _renew(self, worker: Worker) -> None:
        worker.kill()
        self.workers[self.workers.index(worker)] = self._start(worker.number)

    def _check_elsewhere(self) -> None:
        """Collect runs that another process has finished, and take up those it has given up."""
        if not self.elsewhere or time.monotonic() - self.last_check < POLL_SECONDS:
            return
        self.last_check = time.monotonic()
        pending, self.elsewhere = self.elsewhere, []
        for job in pending:
            try:
                result = read_result(job)
            except RecordError as error:
                self._crash(job, str(error))
                continue
            if result and job.is_done:
                self._finish(job, result, None)
            elif is_claimed(job.run.folder):
                self.elsewhere.append(job)
                self._report_waiting(job)
            elif (job.run.folder / CRASH).exists():
                self._crash(job, "in another process")
            else:
                self.queue.append(job)

    def _report_waiting(self, job: Job) -> None:
        """Print what the grid is waiting for, once per run, when it has nothing else to do."""
        is_busy = self.queue or any(worker.job for worker in self.workers)
        if not is_busy and job.run.folder not in self.reported:
            self.reported.add(job.run.folder)
            holder = describe_claim(job.run.folder)
            self.display.say(f"waiting for {job.run.name}, which is being run by {holder}")

    def _finish(self, job: Job, result: RunRecord | EarlyScore, seconds: float | None) -> None:
        self.outcome.finished += 1
        if isinstance(result, RunRecord):
            self.clock.learn(result)
        self._show_end(job, describe_result(result, seconds))

    def _crash(self, job: Job, message: str) -> None:
        folder = job.run.folder
        if not (folder / CRASH).exists():  # it did not get far enough to write its own
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                crash = {"error": "GridError", "message": message, "step": None}
                write_json(folder / CRASH, crash)
        self.outcome.crashed.append(job)
        self._show_end(job, f"crashed: {message}")

    def _show_end(self, job: Job, result: str) -> None:
        completed = self.outcome.finished + len(self.outcome.crashed)
        jobs = [*self.queue, *(worker.job for worker in self.workers if worker.job)]
        remaining = self.clock.remaining([job.run for job in jobs], self.size)
        self.display.end(job.run.name, result, completed=completed, remaining=remaining)
        self.after_job()
