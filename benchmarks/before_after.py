"""Compare the speed of two checkouts, by default a commit and this one, one block of each in turn.

    python -m benchmarks.before_after steps train scale=demo task=rte
    python -m benchmarks.before_after runs train scale=demo task=rte
    python -m benchmarks.before_after runs grid table1 scale=demo task=rte seed=0..1 --workers 1

Both checkouts execute one command of `stablebert` with the same Python and alternate within each
round, so that whatever slows the machine down slows both. `steps` times blocks of training steps,
per step; `runs` times whole processes, and the phases of the runs that they record. The table has
medians over all rounds, and the median and the range of the ratios of single rounds.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

COMMIT = "86ff771"
ROOT = Path(__file__).parents[1]
ENDLESS = ("trainer.max_steps=1000000", "trainer.evaluations=1")
"""Training whose only validation is never reached."""

Times = dict[str, float]
"""Seconds by the name of what was measured."""


class Checkout:
    """A checkout whose command line is measured.

    Args:
        code: Folder of the checkout, or a commit of this one.
        work: New folder for the cache, the records and the log, and for the files of a commit.
        threads: Threads of torch.
    """

    def __init__(self, code: str, work: Path, threads: int):
        self.work, self.log = work, work / "log"
        work.mkdir()
        folder = Path(code).resolve() if Path(code).is_dir() else _extract(code, work / "code")
        changes = {"PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(work / "cache")}
        self.environment = os.environ | changes | {"OMP_NUM_THREADS": str(threads)}

    def run(self, arguments: Sequence[str]) -> Times:
        """Run a command to its end and return its times and those of its runs' phases."""
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            start, cpu = time.perf_counter(), _seconds_of_children()
            self.start("-m", "stablebert", *arguments, f"paths.runs={folder}").communicate()
            times = {"wall": time.perf_counter() - start, "CPU": _seconds_of_children() - cpu}
            records = [json.loads(path.read_text()) for path in Path(folder).rglob("result.json")]
        if not records:
            raise SystemExit(f"no run has finished:\n{self.log.read_text()[-2000:]}")
        for phase in ("load", "train", "validate", "test"):
            times[phase] = sum(record["seconds"][phase] for record in records)
        return times | {"validate + test": times["validate"] + times["test"]}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Python with the checkout's code; its output apart from stdout goes to the log."""
        with self.log.open("w") as log:
            # -P keeps the folders of the script and of the shell out of the search for modules
            return subprocess.Popen(
                [sys.executable, "-P", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
            )


class Training:
    """Training that advances by blocks of steps.

    Args:
        checkout: The checkout.
        arguments: Command of `stablebert` that trains.
        steps: Steps per block, and of the warm-up.
    """

    def __init__(self, checkout: Checkout, arguments: Sequence[str], steps: int):
        self.checkout, self.steps = checkout, steps
        script, runs = ROOT / "benchmarks/gated_train.py", checkout.work / "runs"
        self.process = checkout.start(
            str(script), str(steps), *arguments, *ENDLESS, f"paths.runs={runs}"
        )
        self._receive()

    def block(self) -> Times:
        """Train a block and return its times per step."""
        print(file=self.process.stdin, flush=True)
        return {name: seconds / self.steps for name, seconds in self._receive().items()}

    def _receive(self) -> Times:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"training has ended:\n{self.checkout.log.read_text()[-2000:]}")
        times: Times = json.loads(line)
        return times


def alternate(
    blocks: Sequence[Callable[[], Times]], rounds: int, warmup: int = 1
) -> list[list[Times]]:
    """Time one block of each side per round, in reversed order in every other round.

    Args:
        blocks: Function of each side that executes a block.
        rounds: Number of rounds.
        warmup: Rounds before them that are not counted.

    Returns:
        Times of each side's block, for each round.
    """
    results = []
    for i in range(warmup + rounds):
        order = (0, 1) if i % 2 else (1, 0)
        times = {side: blocks[side]() for side in order}
        results.append([times[0], times[1]])
        text = ", ".join(f"{t['wall']:.4f}" for t in results[-1])
        print(f"round {i - warmup + 1}/{rounds}: {text} s", file=sys.stderr, flush=True)
    return results[warmup:]


def table(results: Sequence[Sequence[Times]], unit: float) -> str:
    """Return a table in Markdown: medians, and median and range of the ratios of single rounds.

    Args:
        results: Times before and after, for each round.
        unit: Number that seconds are multiplied by.
    """
    lines = ["| time | before | after | after / before | range |", "| --- " * 5 + "|"]
    for name in results[0][0]:
        pairs = [(before[name], after[name]) for before, after in results]
        ratios = [after / before for before, after in pairs]
        medians = " | ".join(f"{unit * median(side):.4g}" for side in zip(*pairs, strict=True))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        lines.append(f"| {name} | {medians} | {median(ratios):.2f} | {spread} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.before_after",
        description="Compare the speed of two checkouts, alternating on this machine.",
    )
    add = parser.add_argument
    add("--before", default=COMMIT, help=f"commit or folder of a checkout (default: {COMMIT})")
    add("--after", default=str(ROOT), help="commit or folder (default: this checkout)")
    add("--rounds", type=int, default=9, help="blocks of each checkout (default: 9)")
    add("--steps", type=int, default=20, help="training steps per block (default: 20)")
    add("--threads", type=int, default=1, help="threads of torch (default: 1)")
    add(
        "what",
        choices=["steps", "runs"],
        help="steps: ms per training step; runs: seconds of whole processes and of their phases",
    )
    add("arguments", nargs=argparse.REMAINDER, help="command of stablebert: train scale=demo ...")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        checkouts = [
            Checkout(code, Path(folder, name), args.threads)
            for name, code in (("before", args.before), ("after", args.after))
        ]
        blocks: Sequence[Callable[[], Times]]
        if args.what == "runs":
            blocks = [partial(checkout.run, args.arguments) for checkout in checkouts]
        else:
            trainings = [Training(side, args.arguments, args.steps) for side in checkouts]
            for training in trainings:
                stack.callback(training.process.kill)
            blocks = [training.block for training in trainings]
        results = alternate(blocks, args.rounds)
    print(table(results, unit=1 if args.what == "runs" else 1000))


def _extract(commit: str, folder: Path) -> Path:
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", commit], check=True, capture_output=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def _seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
