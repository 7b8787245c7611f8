"""A worker process of a grid: executes runs one after another and stays warm.

Torch is imported with the first run: the parent, which only starts this, never loads it.
"""

import faulthandler
import gc
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stablebert.machine import release_free_memory
from stablebert.runs.location import LocatedRun


def work(pipe: Connection, number: int, threads: int) -> None:
    """Execute the runs that come through the pipe; the target of a worker process.

    Answers `("step", (step, total))` now and then, and per run one of `("done", record)`,
    `("elsewhere", None)` where another process was faster, and `("crashed", (message, errno))`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    log: Path | None = None
    while True:
        try:
            run = pipe.recv()
        except EOFError:
            return
        try:
            if log_of(run, number) != log:
                log = log_of(run, number)
                log.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
                os.dup2(descriptor, 1)
                os.dup2(descriptor, 2)
                os.close(descriptor)
            answer = _work_on(run, pipe, threads)
        except Exception as error:
            answer = ("crashed", (_message(error), getattr(error, "errno", None)))
        gc.collect()  # Trainer and module hold each other, and with them the last run's weights
        release_free_memory()
        try:
            pipe.send(answer)
        except OSError:  # the parent is gone
            return


def _work_on(run: LocatedRun, pipe: Connection, threads: int) -> tuple[str, Any]:
    import torch

    from stablebert.runs.claims import ClaimedError
    from stablebert.training.fit import peek, train
    from stablebert.training.progress import StepSender

    def send(step: int, total: int) -> None:
        try:
            pipe.send(("step", (step, total)))
        except OSError:  # the parent is gone: end as by SIGTERM, the run is not to blame
            raise SystemExit(143) from None

    torch.set_num_threads(run.cfg.trainer.threads or threads)
    if run.done:
        return "elsewhere", None
    print(f"--- {name_of(run)}", flush=True)
    try:
        return "done", (peek if run.until else train)(run, [StepSender(send)])
    except ClaimedError:
        return "elsewhere", None


def _message(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def name_of(run: LocatedRun) -> str:
    """A run in a line that is printed."""
    cfg = run.cfg
    return f"{cfg.task} {cfg.method} {cfg.length} {run.config_id} {run.folder.name}"


def log_of(run: LocatedRun, number: int) -> Path:
    """File of what a worker prints."""
    return Path(run.cfg.paths.runs).expanduser() / "logs" / f"worker{number}.log"
