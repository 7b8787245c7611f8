"""The command line, which receives a signal at an exact phase.

`python -m tests.helpers.phases` is `python -m stablebert` with a trap, which an environment
variable describes. Workers of a grid import this module as the main module of their parent, and so
set the trap as well. It imports nothing else of this project: a phase may be an import.
"""

import atexit
import functools
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass

from tests.helpers.fork_server import call_in_fork, call_program

VARIABLE = "STABLEBERT_TEST_TRAP"
EXIT = "exit"
"""Place of a trap in the shutdown of the interpreter."""


@dataclass(frozen=True)
class Trap:
    """A signal that is sent once, when a process reaches a place in the code.

    Attributes:
        place: Name of a module that is imported, or `module:function` for a call.
        number: Signal.
        recipient: `self`, `parent` or `group`.
        mark: File that is created when the signal is sent.
    """

    place: str
    number: int
    recipient: str
    mark: str

    def spring(self):
        """Send the signal, unless that has been done."""
        try:
            os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        if self.recipient == "group":
            os.killpg(0, self.number)
        else:
            os.kill(os.getpid() if self.recipient == "self" else os.getppid(), self.number)

    def set(self):
        """Set the trap, in a module that is imported or will be."""
        module, _, function = self.place.partition(":")
        if self.place == EXIT:
            atexit.register(self.spring)
        elif module in sys.modules:
            self._wrap(sys.modules[module], function)
        else:
            sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        """Spring if the module that is imported is the place; set the trap in its function."""
        module, _, function = self.place.partition(":")
        if name != module:
            return None
        sys.meta_path.remove(self)
        if not function:
            self.spring()
            return None
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            self._wrap(module, function)

        spec.loader.exec_module = exec_module
        return spec

    def _wrap(self, owner, path):
        *names, last = path.split(".")
        for name in names:
            owner = getattr(owner, name)
        function = getattr(owner, last)

        @functools.wraps(function)
        def trapped(*args, **kwargs):
            self.spring()
            return function(*args, **kwargs)

        setattr(owner, last, trapped)


def run_into(trap, *argv):
    """Run a `stablebert` command into a trap, in a group of its own; return status and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.phases", *argv],
        env={**os.environ, VARIABLE: json.dumps(asdict(trap))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return done.returncode, done.stderr


def run_fork_into(trap, *argv, output):
    """Run a command into a trap, in a fork; return its status and all of its output."""
    return call_in_fork(_run_trapped, trap, argv, output=output)


def _run_trapped(trap, argv):
    trap.set()
    return call_program(*argv)


if __name__ in ("__main__", "__mp_main__") and VARIABLE in os.environ:
    _trap = Trap(**json.loads(os.environ[VARIABLE]))
    if _trap.place != EXIT or __name__ == "__main__":
        _trap.set()
if __name__ == "__main__":
    from stablebert.__main__ import main

    sys.exit(main())
