"""The last failure of W&B, which all processes of a grid, or of a sweep's agents, remember."""

import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stablebert.drafts import try_lock

FILE = "STABLEBERT_WANDB_OUTAGE"
"""Environment variable with the path of the file that the processes share."""
TURN_SECONDS = 15
"""Longest wait for another process that is asking the server."""

_failure_times: list[float] = []
"""Monotonic times at which W&B failed in this process."""


@contextmanager
def share_outages() -> Iterator[None]:
    """Let this process, and those that it starts in the block, share their memory of failures."""
    if FILE in os.environ:
        yield
        return
    with tempfile.NamedTemporaryFile(prefix="stablebert-wandb-") as file:
        os.environ[FILE] = file.name
        try:
            yield
        finally:
            del os.environ[FILE]


def remember_failure() -> None:
    """Remember, in all processes, that W&B has failed now."""
    _failure_times.append(time.monotonic())
    if path := os.environ.get(FILE):
        with suppress(OSError):  # the process that shares it has ended
            Path(path).write_text(str(_failure_times[-1]))


def seconds_since_failure() -> float:
    """Return the seconds since W&B failed in one of the processes; infinite if it did not."""
    times = [-math.inf, *_failure_times]
    with suppress(OSError, ValueError, KeyError):  # ValueError: no failure yet
        times.append(float(Path(os.environ[FILE]).read_text()))
    return time.monotonic() - max(times)


@contextmanager
def take_turn() -> Iterator[None]:
    """Let one of the processes after another enter the block, so that one asks for all."""
    try:
        file = os.open(os.environ[FILE], os.O_RDONLY)
    except (OSError, KeyError):  # it shares nothing
        yield
        return
    try:
        deadline = time.monotonic() + TURN_SECONDS
        while not try_lock(file) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield
    finally:
        os.close(file)
