"""Measure the contestants side by side and write the tables: `python -m benchmarks.bench`.

`steps`: every contestant is a process that trains a few steps and then waits. They take one block
of steps each, round-robin, so that whatever slows the machine down slows all of them. `runs`: whole
runs, one after another. `roofline`: the machine's matrix-product rate alone, which `steps` measures
as well. This process does not import torch: a child's peak memory starts at its parent's.
"""

import argparse
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.processes import Child
from benchmarks.table import load_results, write_tables
from stablebert.config.compose import compose
from stablebert.machine import usable_cores
from stablebert.runs.files import write_json
from stablebert.runs.locate import locate
from stablebert.signals import run_script
from stablebert.tasks import TASKS

KINDS = tuple(kind for kind in CONTESTANTS if kind != "ours_bare")
MIXED = tuple(f"{kind}_mixed" for kind in KINDS)
ALL = tuple(kind + suffix for suffix in ("", "_mixed") for kind in CONTESTANTS)
STEP_TASKS, RUN_TASKS = ("cola", "sst2", "stsb", "rte", "mrpc"), ("cola", "rte")


class Bench:
    """One invocation of the program.

    Args:
        args: Parsed command line.
        work: Temporary folder.
    """

    program = "benchmarks.bench"

    def __init__(self, args: argparse.Namespace, work: Path):
        self.args, self.work = args, work
        self._children: list[Child] = []
        self._started = 0
        with self.stop_children():
            self.machine = self.start("contestants.describe_machine", {}).receive()
        self.contestants: Sequence[str] = args.contestants or (
            KINDS + (MIXED if self.machine["cuda"] else ("hf_tuned_mixed", "ours_mixed"))
        )
        self.model: str | None = args.model
        if args.shape:
            run = locate(compose(["task=rte", *self._overrides()]))
            with self.stop_children():
                settings = {"name": args.shape, "model": run.model}
                child = self.start("roofline.write_random_bert", settings)
                self.model = child.receive()["folder"]

    def steps(self, tasks: Sequence[str]) -> None:
        """Time blocks of steps and save the results of a task after every round."""
        progress = Progress(len(tasks) * self.args.blocks * len(self.contestants))
        for task in tasks:
            for part in self.time_steps(task, progress):
                self.save("steps", task, part, merge=False)

    def time_steps(self, task: str, progress: "Progress") -> Iterator[dict[str, Any]]:
        """Time blocks of steps, round-robin, and the machine's rate once per round.

        Yields:
            The results of the task so far, after every round.
        """
        args = self.args
        total = args.warmup + args.blocks * args.steps + 1  # the validation comes after the blocks
        overrides = self.overrides(task, f"trainer.max_steps={total}", "trainer.evaluations=1")
        with self.stop_children():
            children = {
                name: self.start_contestant(name, overrides, (args.warmup, args.steps))
                for name in self.contestants
            }
            roofline = self.start_roofline(overrides)
            batches = roofline.receive()
            for child in children.values():
                child.receive()  # warmed up, and waiting
            results: dict[str, dict[str, Any]] = {
                name: {"seconds_per_step": []} for name in self.contestants
            }
            rates: list[dict[str, Any]] = []
            for block in range(args.blocks):
                for name, child in children.items():
                    message = child.take_turn()
                    seconds = message["seconds"] / args.steps
                    results[name]["seconds_per_step"].append(seconds)
                    results[name]["peak_memory_bytes"] = message["peak_memory_bytes"]
                    text = f"{task} block {block + 1}/{args.blocks} {name} {seconds:.4f} s/step"
                    progress.print(text)
                rates.append(roofline.take_turn())
                part = {"steps_per_block": args.steps, "batches": batches, "rates": rates}
                yield part | {"contestants": results, "complete": len(rates) == args.blocks}

    def runs(self, tasks: Sequence[str]) -> None:
        """Time whole runs, one after another."""
        pairs = [(task, name) for task in tasks for name in self.contestants]
        progress = Progress(len(pairs))
        for task, name in pairs:
            overrides = self.overrides(task)
            with self.stop_children():
                result = self.start_contestant(name, overrides, None).receive()
            result |= {
                "commit": self.machine["versions"]["commit"],
                "metric": TASKS[task].metric.key,
            }
            self.save("runs", task, {"contestants": {name: result}}, merge=True)
            progress.print(f"{task} {name} {result['seconds']:.1f} s")

    def roofline(self, tasks: Sequence[str]) -> None:
        """Measure the machine's rate alone."""
        progress = Progress(len(tasks))
        for task in tasks:
            with self.stop_children():
                child = self.start_roofline(self.overrides(task))
                part = {"batches": child.receive(), "contestants": {}, "complete": True}
                part["rates"] = [child.take_turn() for _ in range(self.args.blocks)]
            self.save("roofline", task, part, merge=False)
            progress.print(f"{task} roofline")

    def overrides(self, task: str, *more: str) -> list[str]:
        """Return the configuration of all contestants; locate it here, to ask the hub only once."""
        overrides = [f"task={task}", *self._overrides(), *more]
        self.run = locate(compose(overrides))
        return overrides

    def _overrides(self) -> list[str]:
        return [
            "scale=mini",
            "wandb.mode=disabled",
            f"trainer.threads={self.args.threads}",
            *([f"data.source={self.args.data}"] if self.args.data else []),
            *([f"model.name={self.model}"] if self.model else []),
            *(["optimizer.lr=2e-5"] if self.args.shape else []),
            *self.args.set,
        ]

    def start(self, function: str, settings: dict[str, Any]) -> Child:
        """Start a child process; see `benchmarks.processes.Child`."""
        self._started += 1
        log = self.work / f"{self._started}-{settings.get('contestant', function)}.log"
        child = Child(function, log=log, threads=self.args.threads, settings=settings)
        self._children.append(child)
        return child

    def start_contestant(
        self, name: str, overrides: list[str], blocks: tuple[int, int] | None
    ) -> Child:
        """Start a contestant."""
        settings = {"contestant": name, "overrides": overrides, "blocks": blocks}
        return self.start("contestants.compete", settings)

    def start_roofline(self, overrides: list[str]) -> Child:
        """Start the measurement of the machine, with the batches of all blocks."""
        first, count = self.args.warmup, self.args.blocks * self.args.steps
        settings = {"overrides": overrides, "first": first, "count": count}
        return self.start("roofline.measure", settings)

    @contextmanager
    def stop_children(self) -> Iterator[None]:
        """Stop all children on exit."""
        try:
            yield
        finally:
            for child in self._children:
                child.pipe.close()
            for child in self._children:
                child.stop()
            self._children.clear()

    def save(self, mode: str, task: str, part: dict[str, Any], *, merge: bool) -> None:
        """Write a task's results, keeping those of other tasks, and rewrite the tables.

        Args:
            mode: `steps`, `runs`, `roofline` or `gpu`.
            task: Name of the task; in mode `gpu` after that of the shape.
            part: Results of the task.
            merge: Whether to keep results of contestants that `part` lacks.
        """
        path = self.results_file(mode)
        results: dict[str, Any] = {"mode": mode, "tasks": {}}
        if path.exists():
            results = load_results(path)
        results["machine"] = {k: v for k, v in self.machine.items() if k != "versions"}
        model = Path(self.model).name if self.model and self.args.shape else self.run.model_identity
        origin = {
            "command": shlex.join(["python", "-m", self.program, *sys.argv[1:]]),
            "date": time.strftime("%Y-%m-%d"),
            "versions": self.machine["versions"],
            "model": model,
            "data": self.run.source.identity,
        }
        old = results["tasks"].get(task, {})
        if merge:
            part = {**part, "contestants": old.get("contestants", {}) | part["contestants"]}
        elif not should_replace(part, old):
            return
        results["tasks"][task] = origin | part
        self.args.out.mkdir(parents=True, exist_ok=True)
        write_json(path, results)
        write_tables(self.args.out)

    def results_file(self, mode: str) -> Path:
        """Return the file for the results of a mode on this machine with this model."""
        model = Path(self.model).name if self.model else self.run.cfg.model.name
        title = f"{self.machine['device']} {self.machine['threads']}t {model} {mode}"
        if mode == "gpu":  # all shapes in one file
            title = self.machine["device"]
        return Path(self.args.out, re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") + ".json")


class Progress:
    """Lines of progress with the time left at the present pace.

    Args:
        total: Number of lines.
    """

    def __init__(self, total: int):
        self._total, self._count, self._start_time = total, 0, time.monotonic()

    def print(self, text: str) -> None:
        """Print the next line."""
        self._count += 1
        seconds = time.monotonic() - self._start_time
        minutes_left = seconds / self._count * (self._total - self._count) / 60
        elapsed = f"{seconds / 60:.1f} min, about {minutes_left:.0f} left"
        print(f"[{self._count}/{self._total}] {text}; {elapsed}", flush=True)


def should_replace(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Return whether new results of a task replace the old, unless incomplete with fewer rounds."""
    return bool(new["complete"]) or len(new["rates"]) >= len(old.get("rates", []))


def comma_separated(choices: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Return an argparse type for comma-separated names."""

    def parse_names(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := [name for name in names if name not in choices]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}; allowed: {', '.join(choices)}")
        return names

    return parse_names


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `benchmarks.gpu` takes as well."""
    cores = usable_cores()
    parser.add_argument(
        "--threads",
        type=int,
        default=cores,
        help=f"threads of torch in each process (default: {cores}, all cores)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/bench"),
        help="folder of the results (default: results/bench)",
    )


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench",
        description="Measure our training speed and memory against the released recipe and "
        "Hugging Face's Trainer, and write the tables.",
    )
    add = parser.add_argument
    add(
        "mode",
        nargs="?",
        default="all",
        choices=("steps", "runs", "roofline", "all"),
        help="steps: blocks of training steps, round-robin; runs: whole runs; roofline: the "
        "machine's matrix-product rate; all (default): steps and runs",
    )
    add(
        "--tasks",
        type=comma_separated([*TASKS]),
        metavar="TASK,...",
        help=f"default: {','.join(STEP_TASKS)} for steps, {','.join(RUN_TASKS)} for runs",
    )
    add(
        "--contestants",
        type=comma_separated(ALL),
        metavar="NAME,...",
        help=f"of {', '.join(CONTESTANTS)}, each also with _mixed for mixed precision; "
        "default: all but ours_bare; on a CPU, of the mixed ones only hf_tuned and ours",
    )
    add("--blocks", type=int, default=5, help="blocks per contestant (default: 5)")
    add("--steps", type=int, default=30, help="optimizer steps per block (default: 30)")
    add("--warmup", type=int, default=5, help="optimizer steps before the first block (default: 5)")
    add("--data", metavar="FOLDER", help="folder with GLUE (default: GLUE from the hub)")
    add("--model", help="hub id or folder (default: the model of the mini scale)")
    add(
        "--shape",
        choices=("tiny", "base", "large"),
        help="measure a BERT of this size with random weights and the model's tokenizer",
    )
    add("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further configuration overrides")
    add_common_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, and write the tables."""
    args = parse_arguments(argv)
    # The wait policy stays the user's: a thread that waits for its turn spins for no more than a
    # millisecond, and PASSIVE would slow down contestants that run many small kernels.
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # the Trainer would split over all GPUs
    with tempfile.TemporaryDirectory(prefix="stablebert-bench-") as work:
        bench = Bench(args, Path(work))
        modes = {"steps": bench.steps, "runs": bench.runs, "roofline": bench.roofline}
        for mode in ("steps", "runs") if args.mode == "all" else (args.mode,):
            modes[mode](args.tasks or (RUN_TASKS if mode == "runs" else STEP_TASKS))
    print(f"results: {args.out / 'README.md'}")


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.bench"))
