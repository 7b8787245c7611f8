"""A worker process of a grid: does jobs one after another and stays warm.

Torch is imported with the first job; the parent, which only starts this, never loads it.
"""

import faulthandler
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stablebert.config.own_tasks import use_tasks
from stablebert.errors import (
    InputError,
    machine_fault,
    mask_credentials,
    mask_standard_streams,
)
from stablebert.filesystem import expand_path
from stablebert.machine import release_free_memory
from stablebert.runs.claims import ClaimedError
from stablebert.runs.run import Job
from stablebert.signals import Stop, end_with_parent, stop_on_signals, stop_signal
from stablebert.tasks import Task

LEFT = ": left to another process"
"""End of the line in a worker's log about a run that another process claimed first."""


def work(pipe: Connection, number: int, threads: int, own_tasks: Sequence[Task] = ()) -> None:
    """Do the jobs that arrive through a pipe; the target of a worker process.

    Sends `("step", (step, total))` at intervals, and for each job one of `("done", result)`,
    `("elsewhere", None)` if another process has it, `("refused", message)` if its model or data
    cannot be used, and `("crashed", (message, fault))`, where fault is the error number of a fault
    of the machine or None.

    Args:
        pipe: Connection to the parent.
        number: Number of the worker.
        threads: CPU threads of torch.
        own_tasks: The user's tasks, as the parent has read them.
    """
    use_tasks(own_tasks)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; only the parent acts on it
    if parent := multiprocessing.parent_process():
        end_with_parent(parent.pid)
    faulthandler.enable()
    mask_standard_streams()
    with stop_on_signals():
        _do_all(pipe, number, threads)


def _do_all(pipe: Connection, number: int, threads: int) -> None:
    log: Path | None = None
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        try:
            if log_file(job, number) != log:
                log = log_file(job, number)
                _redirect_output(log)
            answer = _do(job, pipe, threads)
        except Exception as error:
            if request := stop_signal():  # a library has wrapped it
                raise Stop(request) from error
            message = mask_credentials(f"{type(error).__name__}: {error}")
            answer = ("crashed", (message, machine_fault(error)))
        gc.collect()  # Trainer and module refer to each other, and keep the last run's weights
        release_free_memory()
        try:
            pipe.send(answer)
        except OSError:  # the parent has ended
            return


def _do(job: Job, pipe: Connection, threads: int) -> tuple[str, Any]:
    """Do one job and return the answer to the parent."""
    import torch
    from tqdm import tqdm

    from stablebert.training.lifecycle import run_job
    from stablebert.training.progress import StepSender

    def send(step: int, total: int) -> None:
        try:
            pipe.send(("step", (step, total)))
        except OSError:  # the parent has ended, which is not the fault of the run
            raise Stop(signal.SIGTERM) from None

    # its own lock between processes is a file in /dev/shm, which a killed grid would leave there
    tqdm.set_lock(threading.RLock())
    torch.set_num_threads(job.run.cfg.trainer.threads or threads)
    if job.is_done:
        return "elsewhere", None
    print(f"--- {job.run.name}", flush=True)
    try:
        return "done", run_job(job, [StepSender(send)])
    except ClaimedError:
        print(f"--- {job.run.name}{LEFT}", flush=True)
        return "elsewhere", None
    except InputError as error:
        return "refused", str(error)


def log_file(job: Job, number: int) -> Path:
    """Return the file that collects the output of a worker."""
    return expand_path("paths.runs", job.run.cfg.paths.runs) / "logs" / f"worker{number}.log"


def _redirect_output(log: Path) -> None:
    """Append the output of this process, and of libraries in it, to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
