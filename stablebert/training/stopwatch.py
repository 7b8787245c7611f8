"""The wall time of each phase of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override


class Stopwatch(Callback):
    """Wall seconds by phase, number of validations and steps reached, even if the run crashes."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("load", "train", "validate", "test"), 0.0)
        self.evaluations = 0
        self.step = 0
        self._started = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time spent in the block to a phase; validation does not count as training."""
        start, validation_before = time.perf_counter(), self.seconds["validate"]
        try:
            yield
        finally:
            validation = self.seconds["validate"] - validation_before
            self.seconds[name] += time.perf_counter() - start - validation

    @override
    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.step = trainer.global_step

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seconds["validate"] += time.perf_counter() - self._started
        self.evaluations += 1
