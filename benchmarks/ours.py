"""Our own path: `stablebert train`, whose records go to a temporary folder."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback

from benchmarks.contest import Contest, Gate, Scores
from stablebert.training.build import build_data
from stablebert.training.lifecycle import train_run


def ours(contest: Contest) -> Callable[[], Scores]:
    """Prepare the data and return the training."""
    build_data(contest.run)  # tokenized, as the cache has it after the first run
    gates = [_StepGate(contest.gate)] if contest.gate else []

    def train() -> Scores:
        record = train_run(contest.run, gates)
        return {
            "val_best": record.val_best,
            "test_at_best": record.test_at_best,
            "test_at_last": record.test_at_last,
            "evaluations": record.evaluations,
        }

    return train


ours_bare = ours_packed = ours
"""The configuration switches the monitors, or capture, off."""


class _StepGate(Callback):
    def __init__(self, gate: Gate):
        self.gate = gate

    def on_train_batch_end(self, *args: Any) -> None:
        self.gate.step()
