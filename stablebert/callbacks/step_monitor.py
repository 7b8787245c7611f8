"""Base class of the monitors: the schedule and the logging of their measurements."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from typing_extensions import override

from stablebert.callbacks.logging import log_now
from stablebert.callbacks.stateful import StatefulCallback, is_validation_of_fit


def is_measured_step(step: int) -> bool:
    """Return whether monitors measure after this step: 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, ...

    These are dense where the bias ratio changes, and a few dozen in total, because measuring all
    layers takes a good part of a small model's step.

    Example:
        >>> [step for step in range(1000) if is_measured_step(step)]
        [1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 800]
    """
    while step >= 100 and step % 10 == 0:
        step //= 10
    return step in (1, 2, 3, 5, 8, 12, 20, 30, 50, 80)


class StepMonitor(StatefulCallback):
    """Callback that logs `measure()` after steps 1, 2, 3, 5, 8, 12, 20, ... and at validations.

    A subclass defines `measure`. Every step is measured once.

    Example:
        >>> class GradientMonitor(StepMonitor):
        ...     def measure(self, trainer, pl_module):
        ...         grads = [p.grad for p in pl_module.parameters() if p.grad is not None]
        ...         return {"grad_max": max(float(g.abs().max()) for g in grads)} if grads else {}
    """

    @override
    def new_state(self) -> dict[str, Any]:
        return {"measured_at": None}

    def measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        """Return the numbers to log now; an empty dict logs nothing."""
        raise NotImplementedError

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.state["measured_at"] is None:
            self.state["measured_at"] = trainer.global_step

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if is_measured_step(trainer.global_step):
            self._measure_once(trainer, pl_module)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_validation_of_fit(trainer):
            self._measure_once(trainer, pl_module)

    def _measure_once(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # under accumulation several batches end at one step, and a validation may follow a measure
        if trainer.global_step == self.state["measured_at"]:
            return
        self.state["measured_at"] = trainer.global_step
        if metrics := self.measure(trainer, pl_module):
            log_now(trainer, metrics)
