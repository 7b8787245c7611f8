"""`python -m benchmarks.bench`: measure the contestants side by side and write the tables.

`steps`: every contestant is a process that trains a few steps and then waits; they take turns, one
block of steps each, so that whatever the machine does meets all of them. `runs`: whole runs, one
after another. `roofline`: the machine's matrix-product rate alone (`steps` measures it as well).
This process stays free of torch: a child's peak memory starts at its parent's.
"""

import argparse
import importlib
import multiprocessing
import os
import re
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.table import load, write_tables
from stablebert.config.compose import compose
from stablebert.runs.files import write_json
from stablebert.runs.locate import locate
from stablebert.tasks import TASKS

KINDS = ("released", "hf_default", "hf_tuned", "ours")
MIXED = tuple(f"{kind}_mixed" for kind in KINDS)
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
STEP_TASKS, RUN_TASKS = ("cola", "sst2", "stsb", "rte", "mrpc"), ("cola", "rte")


class Child:
    """A process of its own that says something, waits for its turn, says something, ...

    Args:
        function: `contestants.NAME` or `roofline.NAME`, called with the pipe, the log file, the
            threads, and `settings`.
        log: file for its output.
        threads: of torch.
        settings: further arguments of the function.
    """

    def __init__(self, function: str, log: Path, threads: int, **settings: Any):
        context = multiprocessing.get_context("spawn")
        self.log = log
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=enter, args=(function, theirs, log, threads), kwargs=settings
        )
        self.process.start()
        theirs.close()

    def receive(self) -> dict[str, Any]:
        """Its next message.

        Raises:
            RuntimeError: it has crashed.
        """
        try:
            message = self.pipe.recv()
        except EOFError:
            message = self.log.read_text(errors="replace")[-2000:]
        if isinstance(message, str):
            raise RuntimeError(f"{self.log.stem} crashed:\n{message}")
        return message

    def take_turn(self) -> dict[str, Any]:
        """Let it go on to its next message."""
        self.pipe.send("go")
        return self.receive()

    def end(self) -> None:
        """End it; with its pipe closed it ends by itself, unless it is in the middle of a block."""
        self.process.join(timeout=10)
        self.process.kill()  # Lightning would hold back a mere SIGTERM
        self.process.join()


def enter(function: str, *args: Any, **settings: Any) -> None:
    """In the child: import what only a child needs, and call the function."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    module, _, name = function.rpartition(".")
    getattr(importlib.import_module(f"benchmarks.{module}"), name)(*args, **settings)


def end_with_parent() -> None:
    """Wait for the parent's end, however it comes, and end: a whole run waits for no turn."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


class Bench:
    """One call of the program.

    Args:
        args: the command line, parsed.
        work: temporary folder.
    """

    def __init__(self, args: argparse.Namespace, work: Path):
        self.args, self.work = args, work
        self._children: list[Child] = []
        self._started = 0
        self._began = time.monotonic()
        with self.ended():
            self.about = self.child("contestants.about").receive()
        self.contestants = args.contestants or (
            KINDS + (MIXED if self.about["cuda"] else ("hf_tuned_mixed", "ours_mixed"))
        )
        self.model = args.model
        if args.shape:
            located = locate(compose(["task=rte", *self._words()]))
            with self.ended():
                child = self.child("roofline.write_shape", name=args.shape, model=located.model)
                self.model = child.receive()["folder"]

    def child(self, function: str, **settings: Any) -> Child:
        """Start a child."""
        self._started += 1
        log = self.work / f"{self._started}-{settings.get('contestant', function)}.log"
        self._children.append(Child(function, log, self.args.threads, **settings))
        return self._children[-1]

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Every child is ended at the end."""
        try:
            yield
        finally:
            for child in self._children:
                child.pipe.close()
            for child in self._children:
                child.end()
            self._children.clear()

    def contestant(self, name: str, words: list[str], blocks: tuple[int, int] | None) -> Child:
        """Start a contestant."""
        return self.child("contestants.compete", contestant=name, words=words, blocks=blocks)

    def machine(self, words: list[str]) -> Child:
        """Start the measurement of the machine, for the batches of all blocks."""
        first, count = self.args.warmup, self.args.blocks * self.args.steps
        return self.child("roofline.measure", words=words, first=first, count=count)

    def _words(self) -> list[str]:
        return [
            "scale=mini",
            "wandb.mode=disabled",
            f"trainer.threads={self.args.threads}",
            *([f"data.source={self.args.data}"] if self.args.data else []),
            *([f"model.name={self.model}"] if self.model else []),
            *(["optimizer.lr=2e-5"] if self.args.shape else []),
            *self.args.set,
        ]

    def words(self, task: str, *more: str) -> list[str]:
        """The configuration of all contestants; located here, so that the hub is asked once."""
        words = [f"task={task}", *self._words(), *more]
        self.located = locate(compose(words))
        return words

    def file(self, mode: str) -> Path:
        """Of the results of a mode on this machine with this model."""
        model = Path(self.model).name if self.model else self.located.cfg.model.name
        words = f"{self.about['device']} {self.about['threads']}t {model} {mode}"
        return self.args.out / (re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") + ".json")

    def save(self, mode: str, task: str, part: dict[str, Any], *, merge: bool) -> None:
        """Write a task's results, keeping those of other tasks, and the tables anew.

        Args:
            mode: `steps`, `runs` or `roofline`.
            task: whose results.
            part: the results.
            merge: keep the task's contestants that `part` lacks.
        """
        path = self.file(mode)
        found = load(path) if path.exists() else {"mode": mode, "tasks": {}}
        found["machine"] = {k: v for k, v in self.about.items() if k != "versions"}
        origin = {
            "command": shlex.join(["python", "-m", "benchmarks.bench", *sys.argv[1:]]),
            "date": time.strftime("%Y-%m-%d"),
            "versions": self.about["versions"],
            "model": self.located.model_identity if not self.args.shape else Path(self.model).name,
            "data": self.located.source.identity,
        }
        old = found["tasks"].get(task, {})
        if merge:
            part = {**part, "contestants": old.get("contestants", {}) | part["contestants"]}
        elif not replaces(part, old):
            return
        found["tasks"][task] = origin | part
        self.args.out.mkdir(parents=True, exist_ok=True)
        write_json(path, found)
        write_tables(self.args.out)

    def say(self, done: int, of: int, text: str) -> None:
        """One line of progress: what is done, and the time left at this pace."""
        spent = time.monotonic() - self._began
        left = spent / done * (of - done) / 60
        print(f"[{done}/{of}] {text}; {spent / 60:.1f} min, about {left:.0f} left", flush=True)

    def steps(self, tasks: Sequence[str]) -> None:
        """Blocks of steps in turn, and the machine's rate once per round."""
        args, done = self.args, 0
        self._began = time.monotonic()
        total = args.warmup + args.blocks * args.steps + 1  # the validation comes after the blocks
        for task in tasks:
            words = self.words(task, f"trainer.max_steps={total}", "trainer.evaluations=1")
            blocks = (args.warmup, args.steps)
            with self.ended():
                alive = {name: self.contestant(name, words, blocks) for name in self.contestants}
                machine = self.machine(words)
                batches = machine.receive()
                for name in self.contestants:
                    alive[name].receive()  # warm, and waiting
                found = {n: {"seconds_per_step": []} for n in self.contestants}
                rates: list[dict[str, Any]] = []
                for block in range(args.blocks):
                    for name in self.contestants:
                        message = alive[name].take_turn()
                        spent = message["seconds"] / args.steps
                        found[name]["seconds_per_step"].append(spent)
                        found[name]["peak_memory_bytes"] = message["peak_memory_bytes"]
                        done += 1
                        text = f"{task} block {block + 1}/{args.blocks} {name} {spent:.4f} s/step"
                        self.say(done, len(tasks) * args.blocks * len(self.contestants), text)
                    rates.append(machine.take_turn())
                    part = {"steps_per_block": args.steps, "batches": batches, "rates": rates}
                    part |= {"contestants": found, "complete": len(rates) == args.blocks}
                    self.save("steps", task, part, merge=False)

    def runs(self, tasks: Sequence[str]) -> None:
        """Whole runs, one after another."""
        pairs = [(task, name) for task in tasks for name in self.contestants]
        self._began = time.monotonic()
        for i, (task, name) in enumerate(pairs, 1):
            words = self.words(task)
            with self.ended():
                result = self.contestant(name, words, None).receive()
            result |= {"commit": self.about["versions"]["commit"], "metric": TASKS[task].metric}
            self.save("runs", task, {"contestants": {name: result}}, merge=True)
            self.say(i, len(pairs), f"{task} {name} {result['seconds']:.1f} s")

    def roofline(self, tasks: Sequence[str]) -> None:
        """The machine's rate alone."""
        self._began = time.monotonic()
        for i, task in enumerate(tasks, 1):
            with self.ended():
                machine = self.machine(self.words(task))
                part = {"batches": machine.receive(), "contestants": {}, "complete": True}
                part["rates"] = [machine.take_turn() for _ in range(self.args.blocks)]
            self.save("roofline", task, part, merge=False)
            self.say(i, len(tasks), f"{task} roofline")


def replaces(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether a task's results replace what stands: the first rounds of several do not."""
    return new["complete"] or len(new["rates"]) >= len(old.get("rates", []))


def commas(allowed: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A reader of comma-separated names."""

    def read(text: str) -> tuple[str, ...]:
        if wrong := [name for name in text.split(",") if name not in allowed]:
            raise argparse.ArgumentTypeError(f"{', '.join(wrong)}; allowed: {', '.join(allowed)}")
        return tuple(text.split(","))

    return read


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    add = parser.add_argument
    modes = ("steps", "runs", "roofline", "all")
    add("mode", nargs="?", default="all", choices=modes, help="all is steps and runs")
    add("--tasks", type=commas([*TASKS]), help="default: five for steps, cola and rte for runs")
    add("--contestants", type=commas(KINDS + MIXED), help="default: what the machine is good for")
    add("--blocks", type=int, default=5, help="blocks of each contestant")
    add("--steps", type=int, default=30, help="optimizer steps of a block")
    add("--warmup", type=int, default=5, help="optimizer steps before the first block")
    add("--data", help="folder with GLUE; default: the hub's")
    add("--model", help="hub id or folder; default: the mini scale's")
    add("--shape", choices=("base", "large"), help="random weights of this BERT, model's tokenizer")
    add("--threads", type=int, default=CORES, help="of torch, in each child")
    add("--set", nargs="*", default=[], metavar="KEY=VALUE", help="more of the configuration")
    add("--out", type=Path, default=Path("results/bench"), help="folder of the results")
    args = parser.parse_args(argv)
    # The wait policy stays the user's: who waits for a turn spins for a millisecond, no more, and
    # PASSIVE would tax whoever has many small kernels.
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # the Trainer would split over all GPUs
    with tempfile.TemporaryDirectory(prefix="stablebert-bench-") as work:
        bench = Bench(args, Path(work))
        for mode in ("steps", "runs") if args.mode == "all" else (args.mode,):
            tasks = args.tasks or (RUN_TASKS if mode == "runs" else STEP_TASKS)
            getattr(bench, mode)(tasks)
    print(f"written: {args.out / 'README.md'}")


if __name__ == "__main__":
    main()
