"""Train by the command line of the `stablebert` on PYTHONPATH, and report the time of every block.

`benchmarks.before_after` starts this file as a script in a checkout of any age, so it imports
nothing but Lightning and the command line.
"""

import json
import os
import runpy
import sys
import time
from typing import IO, Any

import lightning.pytorch as L


class Gate(L.Callback):
    """A gate that opens once per line on stdin, for one block of steps, and reports their time.

    Args:
        output: Receives a line of JSON after the warm-up and after every block.
        steps: Steps per block, and of the warm-up.
    """

    def __init__(self, output: IO[str], steps: int):
        self.output, self.steps = output, steps
        self.started = 0.0, 0.0

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Report a finished block and wait for the next; end the process if there is none."""
        if trainer.global_step % self.steps:
            return
        wall, cpu = self.started
        times = {"wall": time.perf_counter() - wall, "CPU": time.process_time() - cpu}
        print(json.dumps(times), file=self.output, flush=True)
        if not sys.stdin.readline():
            os._exit(0)
        self.started = time.perf_counter(), time.process_time()


def main() -> None:
    """Train with a gate, given the steps per block and the arguments of `stablebert`."""
    steps, *arguments = sys.argv[1:]
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # everything else that is printed goes to the log
    gate = Gate(output, int(steps))
    construct: Any = L.Trainer.__init__

    def construct_with_gate(self: L.Trainer, *, callbacks: Any = (), **settings: Any) -> None:
        construct(self, callbacks=[*callbacks, gate], **settings)

    L.Trainer.__init__ = construct_with_gate  # type: ignore[method-assign]
    sys.argv = ["stablebert", *arguments]
    runpy.run_module("stablebert", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
