"""Child processes that take turns: a parent that starts them, and what runs first in a child.

Importing this module does not import torch, because a child's peak memory starts at its parent's.
"""

import importlib
import multiprocessing
import os
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


class Child:
    """A process that sends a message, waits for its turn, sends the next message, and so on.

    Args:
        function: `MODULE.NAME` in `benchmarks`; see `run_in_child`.
        log: File for everything the process prints.
        threads: Threads of torch in the process.
        settings: Keyword arguments of the function.
    """

    def __init__(self, function: str, *, log: Path, threads: int, settings: dict[str, Any]):
        context = multiprocessing.get_context("spawn")
        self.log = log
        self.pipe, child_pipe = context.Pipe()
        self.process = context.Process(
            target=run_in_child, args=(function, child_pipe, log, threads, settings)
        )
        self.process.start()
        child_pipe.close()

    def receive(self) -> dict[str, Any]:
        """Return the next message.

        Raises:
            RuntimeError: If the process has crashed.
        """
        try:
            message: dict[str, Any] | str = self.pipe.recv()
        except EOFError:
            message = self.log.read_text(errors="replace")[-2000:]
        if isinstance(message, str):
            raise RuntimeError(f"{self.log.stem} crashed:\n{message}")
        return message

    def take_turn(self) -> dict[str, Any]:
        """Let the process continue to its next message, and return that message."""
        self.resume()
        return self.receive()

    def resume(self) -> None:
        """Let the process continue to its next message."""
        self.pipe.send("continue")

    def stop(self) -> None:
        """Stop the process.

        Once its pipe is closed it exits by itself, unless it is in the middle of a block.
        """
        self.process.join(timeout=10)
        self.process.kill()  # Lightning would delay a SIGTERM
        self.process.join()


def run_in_child(
    function: str, pipe: Connection, log: Path, threads: int, settings: dict[str, Any]
) -> None:
    """Prepare the child process and call the function.

    Args:
        function: `MODULE.NAME` in `benchmarks`, called with the pipe, a temporary folder and the
            settings.
        pipe: Connection to the parent.
        log: File for everything the process prints.
        threads: Threads of torch.
        settings: Keyword arguments of the function.
    """
    threading.Thread(target=exit_with_parent, daemon=True).start()
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import torch

    torch.set_num_threads(threads)
    work = log.with_suffix("")
    work.mkdir()
    module, _, name = function.rpartition(".")
    getattr(importlib.import_module(f"benchmarks.{module}"), name)(pipe, work, **settings)


def exit_with_parent() -> None:
    """Wait until the parent has ended for any reason, then exit: nobody awaits the results."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
