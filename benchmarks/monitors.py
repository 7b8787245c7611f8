"""Measure what the monitors cost: the share of whole runs that is spent in callbacks.

Full runs of three epochs as `stablebert train` trains them, with Lightning's profiler. The share is
of the whole run: loading, training, validation, test. Validating on schedule and keeping the best
weights belong to the procedure and not to the monitors: those callbacks are listed, not summed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from unittest import mock

from lightning.pytorch import Trainer
from lightning.pytorch.profilers import SimpleProfiler

from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.signals import run_script
from stablebert.training import build
from stablebert.training.lifecycle import train_run

MONITORS = ("TrainingLossMonitor", "BiasRatioMonitor", "WeightChangeMonitor", "Stopwatch")
PROCEDURE = ("ValidationSchedule", "BestWeights")


def callback_seconds(profiler: SimpleProfiler, name: str) -> float:
    """Return the seconds spent in all hooks of a callback.

    Raises:
        LookupError: If the profiler has recorded no hook of it.
    """
    hooks = [
        sum(durations)
        for action, durations in profiler.recorded_durations.items()
        if action.startswith(f"[Callback]{name}")
    ]
    if not hooks:
        raise LookupError(f"{name}: not among {', '.join(profiler.recorded_durations)}")
    return float(sum(hooks))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tasks and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.monitors",
        description="Measure the share of whole runs that is spent in callbacks.",
    )
    parser.add_argument("data", help="folder with GLUE")
    parser.add_argument("model", help="folder of a BERT")
    parser.add_argument("task", nargs="*", default=["cola", "rte"], help="default: cola rte")
    args = parser.parse_args(argv)
    print("| task | callback | seconds | share of the run |\n| --- | --- | --- | --- |")
    for task in args.task:
        overrides = [f"task={task}", "scale=mini", "wandb.mode=disabled"]
        overrides += [f"data.source={args.data}", f"model.name={args.model}"]
        with tempfile.TemporaryDirectory() as folder:
            run = locate(compose([*overrides, f"paths.runs={folder}"]))
            profiler = SimpleProfiler()
            start = time.perf_counter()
            with mock.patch.object(build, "Trainer", partial(Trainer, profiler=profiler)):
                train_run(run)
            whole = time.perf_counter() - start
        results = {name: callback_seconds(profiler, name) for name in (*MONITORS, *PROCEDURE)}
        results["all monitors"] = sum(results[name] for name in MONITORS)
        results["the whole run"] = whole
        for name, seconds in results.items():
            print(f"| {task} | {name} | {seconds:.2f} | {seconds / whole:.2%} |", flush=True)


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.monitors"))
