"""Commands that are killed before their n-th file operation."""

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.fork_server import call_in_fork

PATHS = {
    **{f"os.{name}": 1 for name in ("remove", "rmdir", "mkdir", "chmod", "utime", "truncate")},
    **{f"os.{name}": 2 for name in ("rename", "link", "symlink")},
}
"""Number of paths among the first arguments of audited operations that change a folder."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Ending:
    """End of a command.

    Attributes:
        exit_code: Exit code, or the negative number of the signal that killed it.
        operations: Its file operations, each as `name path`; the last may not have happened.
        output: Its standard output and standard error.
    """

    exit_code: int
    operations: list[str]
    output: str


def execute(function, arguments, folder, *, kill_before=None):
    """Call a function in a process of its own, which may kill itself.

    Args:
        function: Function of a module; returns an exit code.
        arguments: Its positional arguments.
        folder: Folder whose file operations are counted.
        kill_before: Number of the operation, from 0, before which the process kills itself with
            SIGKILL; None lets it end.
    """
    trace, output = (folder.with_name(f"{folder.name}.{name}") for name in ("trace", "output"))
    counter = (folder, kill_before, trace)
    exit_code, text = call_in_fork(_execute, function, arguments, counter, output=output)
    operations = [json.loads(line) for line in trace.read_text("utf-8").splitlines()]
    return Ending(exit_code, operations, text)


def _execute(function, arguments, counter):
    _Counter(*counter).install()
    return function(*arguments)


class _Counter:
    """Audit hook that counts the operations that change the content of a folder."""

    def __init__(self, folder, kill_before, trace):
        self._folder = str(folder)
        self._kill_before = kill_before
        self._trace = os.open(trace, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        self._count = 0
        self._lock = threading.RLock()

    def install(self):
        fsync = os.fsync

        def counted_fsync(descriptor):
            self._visit("fsync", [f"/proc/self/fd/{descriptor}"], -1)
            fsync(descriptor)

        os.fsync = counted_fsync
        sys.addaudithook(self._audit)

    def _audit(self, event, arguments):
        if event == "open" and arguments[2] & WRITES and not isinstance(arguments[0], int):
            self._visit(event, arguments[:1], -1)
        elif event in PATHS:
            self._visit(event, arguments[: PATHS[event]], arguments[-1])

    def _visit(self, name, paths, folder_descriptor):
        paths = [self._resolve(path, folder_descriptor) for path in paths]
        if not any(path.startswith(self._folder + os.sep) for path in paths):
            return
        with self._lock:
            places = " -> ".join(path.removeprefix(self._folder + os.sep) for path in paths)
            os.write(self._trace, (json.dumps(f"{name} {places}") + "\n").encode())
            if self._count == self._kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
            self._count += 1

    @staticmethod
    def _resolve(path, folder_descriptor):
        path = os.fsdecode(path) if not isinstance(path, int) else f"/proc/self/fd/{path}"
        if path.startswith("/proc/self/fd/"):
            return os.readlink(path)
        if isinstance(folder_descriptor, int) and folder_descriptor >= 0:
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder_descriptor}"), path)
        return os.path.abspath(path)


def files_below(folder):
    """Return the names of all files in a folder, relative to it, and of empty folders."""
    return {
        str(path.relative_to(folder))
        for path in Path(folder).rglob("*")
        if not path.is_dir() or not any(path.iterdir())
    }
