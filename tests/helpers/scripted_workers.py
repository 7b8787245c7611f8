"""Workers of a grid that answer as a script says, in threads of the test's own process."""

import json
import signal
import threading
from contextlib import suppress
from multiprocessing import Pipe

from stablebert.grid import executor
from stablebert.grid.executor import run_grid
from stablebert.grid.launchers import Worker
from stablebert.runs.early_score import EarlyScore, write_early_score
from tests.helpers.runs import store_run_record

DEATH = object()
"""Answer of a worker that is killed while it does the job."""


def finish(job):
    """Answer like a worker that has finished a run, or has validated it early.

    The early score of seed i is i tenths.
    """
    job.run.folder.mkdir(parents=True, exist_ok=True)
    if job.stop_after:
        score = EarlyScore(5, 20, job.run.cfg.data_seed / 10, 1.0)
        write_early_score(job.run, job.stop_after, score)
        return "done", score
    if job.keep_encoder:
        (job.run.folder / "encoder").mkdir()
    return "done", store_run_record(job.run)


def crash(job):
    """Answer like a worker whose job has raised."""
    return "crashed", ("ValueError: no", None)


class _Process:
    """Process that only its worker's thread needs."""

    exitcode = -signal.SIGKILL

    def kill(self):
        pass

    def join(self, timeout=None):
        pass


class ScriptedWorkers:
    """Starts workers that answer each job with what a function returns for it.

    Args:
        answer: Function of a job; returns a message for the parent, several in a list, or `DEATH`.

    Attributes:
        jobs: Jobs that the workers received, in order.
        started: Numbers of the workers, in the order in which they were started.
        threads: CPU threads of each worker.
    """

    def __init__(self, answer):
        self._answer = answer
        self.jobs = []
        self.started = []
        self.threads = None

    def start(self, number, *, threads, gpus):
        """Start a worker, in place of `stablebert.grid.launchers.start_worker`."""
        self.started.append(number)
        self.threads = threads
        ours, theirs = Pipe()
        threading.Thread(target=self._work, args=(theirs,), daemon=True).start()
        return Worker(number, _Process(), ours)

    def _work(self, pipe):
        with pipe, suppress(EOFError, OSError):  # the grid has closed its end
            while True:
                job = pipe.recv()
                self.jobs.append(job)
                answer = self._answer(job)
                if answer is DEATH:
                    return
                for message in answer if isinstance(answer, list) else [answer]:
                    pipe.send(message)


class Grid:
    """A grid of scripted workers.

    Attributes:
        lines: Lines that it has printed.
        workers: Its workers; None until it has been run.
    """

    def __init__(self, patch):
        self._patch = patch
        self.lines = []
        self.workers = None

    def run(self, jobs, answer=finish, workers=1, say=None, **options):
        """Run jobs with workers that answer them with `answer`."""
        self.workers = ScriptedWorkers(answer)
        self._patch.setattr(executor, "start_worker", self.workers.start)
        say = say or self.lines.append
        return run_grid(jobs, workers=workers, say=say, **options)


def crash_of(job):
    """Return the crash record of a job."""
    return json.loads((job.run.folder / "crash.json").read_text())
