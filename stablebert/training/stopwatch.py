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
        self._phase: str | None = None
        self._since = 0.0  # the time up to which `seconds` is complete
        self._validated_phase: str | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time spent in the block to a phase; validation does not count as training."""
        outer = self._enter(name)
        try:
            yield
        finally:
            self._enter(outer)

    def _enter(self, phase: str | None) -> str | None:
        """Begin a phase, and return the one that ends."""
        now = time.perf_counter()
        previous = self._phase
        if previous is not None:
            self.seconds[previous] += now - self._since
        self._phase, self._since = phase, now
        return previous

    @override
    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.step = trainer.global_step

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validated_phase = self._enter("validate")

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._enter(self._validated_phase)
        self.evaluations += 1

    @override
    def state_dict(self) -> dict[str, Any]:
        self._enter(self._phase)
        return {"seconds": {**self.seconds}, "evaluations": self.evaluations, "step": self.step}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from an earlier attempt, up to its checkpoint; the time since then is lost."""
        for name, seconds in state_dict["seconds"].items():
            self.seconds[name] += seconds
        self.evaluations, self.step = state_dict["evaluations"], state_dict["step"]
