"""The cost of each sweep with BERT-large, counted from `conf/`: `python -m benchmarks.costs`.

A training step takes 6 operations per parameter and token, an evaluation 2, over the parameters in
the layers and the tokens that are not padding. The table is part of `docs/cluster.md`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from benchmarks.table import table_head, table_row
from stablebert.config.identity import prerequisite
from stablebert.config.schema import RunConfig
from stablebert.config.sweep import read_sweep
from stablebert.signals import run_script
from stablebert.tasks import TASKS

SWEEPS = ("table1", "bias_correction", "table2", "table7", "reinit_depth")
PARAMETERS = 302e6
"""Parameters in the layers of BERT-large."""
CPU, GPU = 0.353e12, 50e12
"""Operations per second of two CPU cores, as measured, and of a GPU, as assumed."""
TESTS = 2
"""Tests per run: with the best and with the last weights."""


class Rows(NamedTuple):
    """Rows of a task, and their mean number of tokens."""

    train: int
    val: int
    test: int
    tokens: float


ROWS = {
    "rte": Rows(2490, 138, 139, 66.6),
    "mrpc": Rows(3668, 203, 205, 53.4),
    "stsb": Rows(5749, 722, 778, 27.6),
    "cola": Rows(8551, 521, 522, 12.3),
    "sst2": Rows(66349, 1000, 872, 13.2),
    "qnli": Rows(103743, 1000, 5463, 45),
    "qqp": Rows(362846, 1000, 40430, 45),
    "mnli": Rows(391703, 999, 9815, 45),
}
"""Real GLUE. Tokens are counted in the first 3,000 training rows; those of the last three tasks are
assumed."""


@dataclass(frozen=True)
class Cost:
    """Number of runs, and of the optimizer steps and operations of all of them."""

    runs: int = 0
    steps: int = 0
    operations: float = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.runs + other.runs,
            self.steps + other.steps,
            self.operations + other.operations,
        )

    def __mul__(self, times: int) -> "Cost":
        return Cost(times * self.runs, times * self.steps, times * self.operations)


def cost_of_run(cfg: RunConfig) -> Cost:
    """Return the cost of one run."""
    task, trainer = TASKS[cfg.task], cfg.trainer
    rows = ROWS[task.config]
    train_rows = rows.train
    if task.few_sample:  # equally many of each class
        train_rows = 1000 // task.num_labels * task.num_labels
    steps = trainer.max_steps or (trainer.epochs or 0) * ceil(train_rows / trainer.batch_size)
    evaluations = ceil(steps / max(1, steps // trainer.evaluations))  # and at the last step
    trained_rows = steps * trainer.batch_size
    evaluated_rows = evaluations * rows.val + TESTS * rows.test
    operations = PARAMETERS * rows.tokens * (6 * trained_rows + 2 * evaluated_rows)
    return Cost(1, steps, operations)


def cost_of_sweep(name: str) -> Cost:
    """Return the cost of a sweep, with the runs that its runs start from."""
    sweep = read_sweep(name)
    configs = sweep.narrow(["seed=0"]).configs()
    starts = {start for cfg in configs if (start := prerequisite(cfg))}
    seeds = len(sweep.parameters["seed"])
    return sum(map(cost_of_run, configs), Cost()) * seeds + sum(map(cost_of_run, starts), Cost())


def cost_table() -> str:
    """Return the table in Markdown."""
    lines = table_head(
        *("sweep", "runs", "steps", "operations"),
        *(f"2 cores at {CPU / 1e12:g} TFLOP/s", f"GPU at {GPU / 1e12:g} TFLOP/s"),
    )
    for name in SWEEPS:
        cost = cost_of_sweep(name)
        days, hours = cost.operations / CPU / 86400, cost.operations / GPU / 3600
        lines.append(
            table_row(
                *(name, f"{cost.runs:,}", f"{cost.steps:,}"),
                f"{cost.operations:.2e}".replace("e+", "e"),
                *(f"{days:.0f} days", f"{hours:.0f} h"),
            )
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.costs",
        description="Count runs, optimizer steps and operations of the sweeps from conf/.",
    )
    parser.parse_args(argv)
    print(cost_table())


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.costs"))
