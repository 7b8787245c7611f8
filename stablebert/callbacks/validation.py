"""Validation at fixed fractions of the training, in optimizer steps, and at the last step."""

import logging
import math
import sys
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from stablebert.callbacks.stateful import StatefulCallback, is_validation_of_fit

logger = logging.getLogger(__name__)


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


def planned_steps(trainer: Trainer, pl_module: LightningModule, name: str) -> int:
    """Return the number of optimizer steps of a whole fit; under manual optimization, of batches.

    Args:
        trainer: Trainer at the start of training.
        pl_module: Module in training.
        name: Class that needs the number, for the error.

    Raises:
        ValueError: If the number is unknown before the end.
    """
    total = trainer.estimated_stepping_batches
    if math.isinf(total) or total < 0:  # -1 if the data has no length
        raise ValueError(
            f"{name} needs a Trainer that knows the number of its steps; got max_steps=-1, "
            f"max_epochs={trainer.max_epochs}, and {trainer.num_training_batches} batches per "
            "epoch: set max_steps"
        )
    is_manual = not pl_module.automatic_optimization
    if is_manual and trainer.max_steps != -1 and not _is_smoke_test(trainer):
        raise ValueError(
            f"{name}: {type(pl_module).__name__} optimizes manually, and the steps of all its "
            f"optimizers count for max_steps={trainer.max_steps}, so the number of batches is "
            "unknown: set max_epochs instead"
        )
    return int(total)


def _is_smoke_test(trainer: Trainer) -> bool:
    """Return whether `fast_dev_run` replaces the Trainer's settings."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]  # set outside of its class


def _steps_done(trainer: Trainer, pl_module: LightningModule) -> int:
    """Return the number of steps so far, in the unit of `planned_steps`."""
    # manual optimization: `global_step` adds up the steps of all optimizers
    done = trainer.global_step, trainer.fit_loop.total_batch_idx + 1
    return done[0] if pl_module.automatic_optimization else done[1]


class ValidationSchedule(StatefulCallback):
    """Callback that makes the Trainer validate after exactly the `validation_steps` of a fit.

    Lightning's own `val_check_interval` counts batches, per epoch or in total; it drifts under
    gradient accumulation and omits the last step. The Trainer must be built with
    `val_check_interval=1, check_val_every_n_epoch=None`, or with `fast_dev_run`.

    If the module optimizes manually, perhaps with several optimizers, batches are counted in place
    of optimizer steps.

    Args:
        evaluations: Number of validations; see `validation_steps`.

    Raises:
        ValueError: At the start of training, if the Trainer has other settings, or does not know
            the number of its steps (`planned_steps`).
    """

    def __init__(self, evaluations: int = 10):
        if evaluations < 1:
            raise ValueError(f"evaluations={evaluations}: must be at least 1")
        super().__init__()
        self.evaluations = evaluations
        self._due: set[int] = set()

    @override
    def new_state(self) -> dict[str, Any]:
        return {"validated_at": 0}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        settings = trainer.val_check_interval, trainer.check_val_every_n_epoch
        if settings != (1, None) and not _is_smoke_test(trainer):
            raise ValueError(
                "ValidationSchedule needs Trainer(val_check_interval=1, "
                "check_val_every_n_epoch=None), got "
                f"val_check_interval={trainer.val_check_interval}, "
                f"check_val_every_n_epoch={trainer.check_val_every_n_epoch}"
            )
        steps = validation_steps(
            planned_steps(trainer, pl_module, type(self).__name__), self.evaluations
        )
        done = _steps_done(trainer, pl_module)
        self._due = {step for step in steps if step > done}
        if done in steps and trainer.ckpt_path and self.state["validated_at"] != done:
            logger.warning(
                "ValidationSchedule: %s was saved before the validation that was due after step "
                "%d; the weights of that step are not validated",
                *(trainer.ckpt_path, done),
            )

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = _steps_done(trainer, pl_module)
        # read right after this hook: the Trainer validates if it divides the number of batches
        due = done in self._due
        # once, although several batches end at one step under accumulation
        self._due.discard(done)
        trainer.val_check_batch = 1 if due else sys.maxsize

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_validation_of_fit(trainer):
            self.state["validated_at"] = _steps_done(trainer, pl_module)


class StopAfter(Callback):
    """Callback that stops training at the last validation within a fraction of its steps.

    The learning-rate schedule stays that of the whole run. If the first validation is later
    than the fraction, training stops there.

    Args:
        fraction: Fraction of all optimizer steps to train, in (0, 1].
        evaluations: Number of validations of the `ValidationSchedule` that it accompanies.

    Attributes:
        total: Optimizer steps of the whole run, known from the start of training.

    Raises:
        ValueError: At the start of training, if the Trainer does not know the number of its steps
            (`planned_steps`).
    """

    def __init__(self, fraction: float, evaluations: int = 10):
        self.fraction = fraction
        self.evaluations = evaluations
        self.total = 0
        self._last = 0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.total = planned_steps(trainer, pl_module, type(self).__name__)
        first, *later = validation_steps(self.total, self.evaluations)
        self._last = max([first, *(step for step in later if step <= self.fraction * self.total)])

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_validation_of_fit(trainer) and _steps_done(trainer, pl_module) >= self._last:
            trainer.should_stop = True
