"""Validation at fixed fractions of the training, in optimizer steps, and at the last step."""

import sys
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override


def validation_steps(total: int, evaluations: int = 10) -> list[int]:
    """Return the optimizer steps after which the released code validates (`run_glue.py`, L310).

    Every `total // evaluations` steps, at least one apart, and the last step: one validation more
    than requested where `evaluations` does not divide the total.

    Args:
        total: Optimizer steps of the whole run.
        evaluations: Number of validations.

    Example:
        >>> validation_steps(234)
        [23, 46, 69, 92, 115, 138, 161, 184, 207, 230, 234]
    """
    every = max(1, total // evaluations)
    return [step for step in range(1, total + 1) if step % every == 0 or step == total]


class ValidationSchedule(Callback):
    """Callback that makes the Trainer validate after exactly the `validation_steps` of a run.

    Lightning's own `val_check_interval` counts batches, per epoch or in total; it drifts under
    gradient accumulation and omits the last step. The Trainer must be built with
    `val_check_interval=1, check_val_every_n_epoch=None, num_sanity_val_steps=0`.

    Args:
        evaluations: Number of validations; see `validation_steps`.

    Raises:
        ValueError: At the start of fit, if the Trainer has other settings.
    """

    def __init__(self, evaluations: int = 10):
        if evaluations < 1:
            raise ValueError(f"evaluations={evaluations}: at least 1")
        self.evaluations = evaluations
        self._due: set[int] = set()

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.check_val_every_n_epoch is not None or trainer.val_check_interval != 1:
            raise ValueError(
                "ValidationSchedule needs Trainer(val_check_interval=1, "
                "check_val_every_n_epoch=None), got "
                f"val_check_interval={trainer.val_check_interval}, "
                f"check_val_every_n_epoch={trainer.check_val_every_n_epoch}"
            )
        total = int(trainer.estimated_stepping_batches)
        self._due = set(validation_steps(total, self.evaluations))

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # read right after this hook: the Trainer validates if it divides the number of batches
        due = trainer.global_step in self._due
        # once, although several batches end at one step under accumulation
        self._due.discard(trainer.global_step)
        trainer.val_check_batch = 1 if due else sys.maxsize


class StopAfter(Callback):
    """Callback that stops training at the last validation within a fraction of its steps.

    The learning-rate schedule stays that of the whole run. If the first validation is later
    than the fraction, training stops there.

    Args:
        fraction: Fraction of all optimizer steps to train, in (0, 1].
        evaluations: Number of validations of the `ValidationSchedule` that it accompanies.

    Attributes:
        total: Optimizer steps of the whole run, known from the start of fit.
    """

    def __init__(self, fraction: float, evaluations: int = 10):
        self.fraction = fraction
        self.evaluations = evaluations
        self.total = 0
        self._last = 0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.total = int(trainer.estimated_stepping_batches)
        first, *later = validation_steps(self.total, self.evaluations)
        self._last = max([first, *(step for step in later if step <= self.fraction * self.total)])

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step >= self._last:
            trainer.should_stop = True
