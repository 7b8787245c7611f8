"""A page that is rewritten while a grid runs."""

import time
from collections.abc import Callable

SHARE = 0.01
"""Largest share of the time that writing the page takes."""


def is_due(now: float, end: float, duration: float) -> bool:
    """Return whether the page may be written again.

    Args:
        now: The time, in seconds.
        end: When it was last written.
        duration: How long that took.
    """
    return now - end >= duration * (1 - SHARE) / SHARE


class LivePage:
    """Writer of a page, which an error never stops for long, and which takes little time.

    Args:
        write: Writes the page; its argument says whether the grid is still running.
        say: Function that prints a line.
    """

    def __init__(self, write: Callable[[bool], None], say: Callable[[str], None]):
        self._write, self._say = write, say
        self._end, self._duration = 0.0, 0.0
        self._has_failed = False

    def refresh(self) -> None:
        """Write the page, unless it was written a moment before."""
        if is_due(time.monotonic(), self._end, self._duration):
            self._try_to_write(is_running=True)

    def finish(self) -> None:
        """Write the page for the last time."""
        self._try_to_write(is_running=False)

    def _try_to_write(self, *, is_running: bool) -> None:
        start = time.monotonic()
        try:
            self._write(is_running)
        except Exception as error:  # the runs are worth more than the page
            if not self._has_failed:
                self._say(f"the page could not be written: {type(error).__name__}: {error}")
            self._has_failed = True
        self._end = time.monotonic()
        self._duration = self._end - start
