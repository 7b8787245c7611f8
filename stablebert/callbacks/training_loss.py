"""Monitor of the training loss and the learning rate."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from stablebert.callbacks.stateful import is_validation_of_fit
from stablebert.callbacks.step_monitor import StepMonitor

UNWEIGHTED = "unweighted_loss"
"""Key under which a module may return its loss without the weight of a micro-batch."""


class TrainingLossMonitor(StepMonitor):
    """Monitor that logs `train/loss`, the mean since the last validation, and `train/lr`.

    The mean is over batches; at a validation it is the one that the released code logs
    (`run_glue.py`, L360-368; Figures 3, 6 and 11). `train/lr` is the largest learning rate of the
    last optimizer step.

    The loss is that of `training_step`, returned as a tensor or as "loss" of a dict. A module that
    weights its micro-batches for gradient accumulation returns the plain loss next to it, as
    "unweighted_loss".

    Raises:
        TypeError: If `training_step` returns no loss.
    """

    @override
    def new_state(self) -> dict[str, Any]:
        return super().new_state() | {"losses": [], "rate": float("nan")}

    @override
    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        # the schedule moves on before `on_train_batch_end`; layer-wise rates are below the head's
        self.state["rate"] = max(group["lr"] for group in optimizer.param_groups)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (loss := _loss_of(outputs, trainer, pl_module)) is not None:
            self.state["losses"].append(loss)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_start(trainer, pl_module)
        if is_validation_of_fit(trainer):
            self.state["losses"] = []

    @override
    def measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        losses = self.state["losses"]
        if not losses:
            return {}
        return {"train/loss": torch.stack(losses).mean().item(), "train/lr": self.state["rate"]}


def _loss_of(outputs: Any, trainer: Trainer, pl_module: LightningModule) -> Tensor | None:
    """Return the loss of a batch without Lightning's division; None if the batch was skipped."""
    if isinstance(outputs, Mapping):
        if isinstance(loss := outputs.get(UNWEIGHTED), Tensor):
            return loss.detach()
        outputs = outputs.get("loss")
    automatic = pl_module.automatic_optimization
    if outputs is None and automatic:  # `training_step` returned None, which skips the batch
        return None
    if not isinstance(outputs, Tensor):
        raise TypeError(
            f"TrainingLossMonitor needs a loss from {type(pl_module).__name__}.training_step: "
            'a tensor, or a dict with "loss"'
        )
    if automatic and trainer.accumulate_grad_batches != 1:
        return outputs.detach() * trainer.accumulate_grad_batches
    return outputs.detach()
