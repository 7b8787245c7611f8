"""Processes by their ids: their descendants, and their end."""

import time
from pathlib import Path

HANG_SECONDS = 600


def has_ended(pid):
    """Return whether a process has ended, even if nobody has asked for its exit status."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


def descendants_of(pid):
    """Return the ids of the processes that a process has started, directly or through others."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except OSError:  # it has ended
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def wait_for_end(pids):
    """Wait until all of the processes have ended."""
    deadline = time.monotonic() + HANG_SECONDS
    while alive := [pid for pid in pids if not has_ended(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.02)
