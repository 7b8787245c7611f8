"""Workers of a grid on a cluster: what each job executes, and the seam to a scheduler."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stablebert.signals import END_WITH_PARENT

GRACE_SECONDS = 600
"""Longest time that a job waits, after SIGTERM, for its scheduler to end it."""
JOBS = "jobs.txt"
"""File with the ids of the jobs of a sweep, one a line."""


@dataclass(frozen=True)
class ClusterWorker:
    """A grid on the node of a job, which takes unclaimed runs until the sweep is complete.

    Attributes:
        arguments: Arguments of `stablebert grid`.
    """

    arguments: tuple[str, ...]

    def __call__(self) -> None:
        """Execute the grid, and exit with its status.

        After SIGTERM, the job waits for the scheduler to end it: SLURM requeues a job that is being
        preempted only if it has not ended by itself.
        """
        command = [sys.executable, "-m", "stablebert", "grid", *self.arguments]
        environment = {**os.environ, END_WITH_PARENT: "1"}
        grid = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        try:
            status = grid.wait()
        finally:  # a signal handler of the job may raise; the grid then releases its claims
            grid.terminate()
            grid.wait()
        if status == 128 + signal.SIGTERM:
            time.sleep(GRACE_SECONDS)
        sys.exit(status)


@dataclass(frozen=True)
class JobState:
    """A job that has not ended.

    Attributes:
        job_id: Its id.
        state: Its state as the scheduler names it, such as `PENDING`.
        place: The node that executes it, or why it is waiting.
    """

    job_id: str
    state: str
    place: str


class Scheduler(Protocol):
    """A scheduler of a cluster."""

    def submit(self, worker: ClusterWorker) -> str:
        """Submit a job that executes the worker; return its id."""

    def states(self, job_ids: Sequence[str]) -> list[JobState]:
        """Return the states of those jobs that have not ended."""


def record_job(folder: Path, job_id: str) -> None:
    """Add a job to the list of those that were submitted for a sweep."""
    with (folder / JOBS).open("a", encoding="utf-8") as file:
        file.write(f"{job_id}\n")


def recorded_jobs(folder: Path) -> list[str]:
    """Return the ids of the jobs that were submitted for a sweep; none without the folder."""
    try:
        return (folder / JOBS).read_text("utf-8").split()
    except FileNotFoundError:
        return []
