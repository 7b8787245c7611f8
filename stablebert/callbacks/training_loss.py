"""The training loss, and the learning rate that made it."""

import torch
from lightning.pytorch import LightningModule, Trainer
from typing_extensions import override

from stablebert.callbacks.step_monitor import StepMonitor


class TrainingLossMonitor(StepMonitor):
    """Logs `train/loss`, the mean over the steps since the last validation, and `train/lr`.

    At a validation that is what the released code logs (`run_glue.py`, L360-368; Figures 3, 6, 11).
    The module keeps its detached losses in a list `losses`, and the rate of its last step in
    `rate`; the list is emptied here.
    """

    @override
    def measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        mean = torch.stack(pl_module.losses).mean().item()
        return {"train/loss": mean, "train/lr": pl_module.rate}

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_start(trainer, pl_module)
        pl_module.losses.clear()
