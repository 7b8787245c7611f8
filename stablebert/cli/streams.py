"""The standard streams of a command: closed, full, or in an encoding that lacks characters."""

import io
import os
import sys
from collections.abc import Iterable

from stablebert.errors import mask_standard_streams
from stablebert.text import escape_controls


def prepare_streams() -> None:
    """Make the standard streams safe to use.

    Credentials in URLs are masked, and a character that the terminal's encoding lacks is printed as
    `?`. A stream that the caller has closed becomes the null device; otherwise the next file to be
    opened would take its place.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _open_null_device(descriptor)
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    mask_standard_streams()


def discard_broken_output() -> None:
    """Connect stdout to the null device if it cannot be written to.

    The text that it still holds would otherwise be an error again at the end of the process.
    """
    try:
        sys.stdout.flush()
    except OSError:
        _open_null_device(1)


def print_errors(lines: Iterable[str]) -> None:
    """Print lines to stderr; characters on which a terminal may act are escaped."""
    for line in lines:
        print(escape_controls(line, keep="\n"), file=sys.stderr)


def _open_null_device(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
