"""When the monitors read, and where their numbers go."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from stablebert.callbacks.logging import log_now


def is_measured_step(step: int) -> bool:
    """Whether a monitor reads after this step: 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, ...

    Dense where the bias ratio moves, and a few dozen readings in all, as one reading of all layers
    costs a good part of a small model's step.
    """
    while step >= 100 and step % 10 == 0:
        step //= 10
    return step in (1, 2, 3, 5, 8, 12, 20, 30, 50, 80)


class StepMonitor(Callback):
    """Reads something after optimizer steps 1, 2, 3, 5, 8, 12, 20, ..., and at every validation.

    A subclass says what, in `measure`.
    """

    def __init__(self) -> None:
        self._read_at = 0

    def measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        """The numbers to log now; none, where there are none yet."""
        raise NotImplementedError

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._read_at = trainer.global_step

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if is_measured_step(trainer.global_step):
            self._read(trainer, pl_module)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._read(trainer, pl_module)

    def _read(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # under accumulation several batches end at one step; a validation may fall on a reading
        if trainer.global_step == self._read_at:
            return
        self._read_at = trainer.global_step
        if metrics := self.measure(trainer, pl_module):
            log_now(trainer, metrics)
