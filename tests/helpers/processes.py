"""Processes: grids, their workers and descendants, and their end."""

import subprocess
import sys
import time
from pathlib import Path

HANG_SECONDS = 600


def start_grid(arguments, *flags):
    """Start a grid in its own process group."""
    command = [sys.executable, "-m", "stablebert", "grid", *arguments, *flags]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition):
    """Wait until the condition holds; return its value."""
    while not (value := condition()):
        time.sleep(0.02)
    return value


def started_runs(folder):
    """Return the histories that have a line."""
    return [part for part in folder.rglob("history.jsonl.*.part") if part.stat().st_size]


def workers_of(pid):
    """Return the worker processes of a grid, without multiprocessing's own helper."""
    output = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout
    files = {int(p): Path(f"/proc/{p}/cmdline") for p in output.split()}
    return [p for p, file in files.items() if file.exists() and b"spawn_main" in file.read_bytes()]


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


MODULES = (
    "import sys; from stablebert.cli.main import main; status = main(sys.argv[1:]); "
    "print('modules:', *sys.modules); sys.exit(status)"
)


def imports_of(*arguments):
    """Top-level packages that a command of its own process has imported."""
    command = [sys.executable, "-c", MODULES, *arguments]
    output = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    modules = output.rpartition("modules: ")[2].split()
    assert "stablebert" in modules
    return {module.partition(".")[0] for module in modules}
