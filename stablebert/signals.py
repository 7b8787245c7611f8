"""Signals that ask a process to stop, and child processes that end with their parent."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_STOP_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
STOP_SIGNALS = [getattr(signal, name) for name in _STOP_NAMES if hasattr(signal, name)]
"""Signals of users, terminals and schedulers, which all ask a process to stop."""
REPEAT_SECONDS = 10
"""Seconds in which a further signal is part of the same request: schedulers often signal twice."""
END_WITH_PARENT = "STABLEBERT_END_WITH_PARENT"
"""Environment variable that ties every `stablebert` command to the process that starts it."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h

_requests: list[tuple[int, float]] = []
"""Numbers and times of the signals that asked this process to stop."""


class Stop(SystemExit):
    """A request to stop by a signal other than SIGINT; the exit status is that of the shell."""

    def __init__(self, number: int):
        super().__init__(128 + number)


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise `Stop` in the block when a signal asks to stop, and KeyboardInterrupt for SIGINT.

    A signal that the process was started to ignore, as `nohup` does, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    handlers = {n: old for n, old in handlers.items() if old not in (signal.SIG_IGN, None)}
    try:
        for number in handlers:
            signal.signal(number, _request_stop)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _requests.clear()


def run_script(main: Callable[[], None], *, name: str) -> int:
    """Run the main function of a script; a request to stop ends it with one line.

    Returns:
        Exit status: 0, or that of the shell after a signal, such as 130 after Ctrl-C.
    """
    with stop_on_signals():
        try:
            main()
        except BaseException:  # libraries may wrap what a signal raises
            if not (number := stop_signal()):
                raise
            print(f"{name}: stopped by {signal_name(number)}", file=sys.stderr)
            return 128 + number
    return 0


def _request_stop(number: int, _: FrameType | None) -> None:
    now = time.monotonic()
    if number != signal.SIGINT and _requests and now - _requests[-1][1] < REPEAT_SECONDS:
        return
    _requests.append((number, now))
    raise KeyboardInterrupt if number == signal.SIGINT else Stop(number)


@contextmanager
def ignored_interrupts() -> Iterator[None]:
    """Ignore SIGINT in the block, and so in the processes that it starts.

    Ctrl-C reaches the whole process group, and only the parent may act on it.
    """
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def stop_signal() -> int | None:
    """Return the signal that asked this process to stop; None if there was none."""
    return _requests[0][0] if _requests else None


def signal_name(number: int) -> str:
    """Return the name of a signal as `kill -l` lists it, such as SIGTERM or SIGRTMIN+3."""
    try:
        return signal.Signals(number).name
    except ValueError:  # Python names only two of the real-time signals
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel send this process SIGTERM when its parent ends for any reason.

    Only Linux can. The parent is the thread that started this process.

    Args:
        parent: Process id of the parent: if it has already ended, this process stops now. None if
            it is unknown.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if parent not in (None, os.getppid()):
        os.kill(os.getpid(), signal.SIGTERM)
