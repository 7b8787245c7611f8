"""What watching costs: the share of whole runs that is spent in callbacks.

    python -m benchmarks.monitors DATA MODEL [TASK ...]

Full runs of three epochs as `stablebert train` makes them, with Lightning's profiler on. The share
is of the whole run: loading, training, validation, test. Validating on schedule and keeping the
best weights is the procedure and not watching it: those callbacks are listed, not summed.
"""

import sys
import tempfile
import time
from functools import partial
from unittest import mock

import lightning as L
from lightning.pytorch.profilers import SimpleProfiler

from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.training.lifecycle import train

WATCHING = ("TrainingLossMonitor", "BiasRatioMonitor", "WeightChangeMonitor", "Stopwatch")
PROCEDURE = ("ValidationSchedule", "BestWeights")


def seconds_of(profiler: SimpleProfiler, name: str) -> float:
    """Seconds spent in all hooks of a callback."""
    hooks = [
        sum(spent)
        for action, spent in profiler.recorded_durations.items()
        if action.startswith(f"[Callback]{name}")
    ]
    if not hooks:
        raise LookupError(f"{name}: not among {', '.join(profiler.recorded_durations)}")
    return sum(hooks)


def main() -> None:
    """Run the tasks and print a table."""
    data, model, *tasks = sys.argv[1:]
    print("| task | callback | seconds | share of the run |\n| --- | --- | --- | --- |")
    for task in tasks or ["cola", "rte"]:
        with tempfile.TemporaryDirectory() as folder:
            words = [f"task={task}", "scale=mini", f"data.source={data}", f"model.name={model}"]
            located = locate(compose([*words, f"paths.runs={folder}", "wandb.mode=disabled"]))
            profiler = SimpleProfiler()
            profiled = partial(L.Trainer, profiler=profiler)
            start = time.perf_counter()
            with mock.patch.object(L, "Trainer", profiled):
                train(located)
            whole = time.perf_counter() - start
        found = {name: seconds_of(profiler, name) for name in (*WATCHING, *PROCEDURE)}
        sums = {"all watching": sum(found[n] for n in WATCHING), "the whole run": whole}
        for name, spent in (found | sums).items():
            print(f"| {task} | {name} | {spent:.2f} | {spent / whole:.2%} |", flush=True)


if __name__ == "__main__":
    main()
