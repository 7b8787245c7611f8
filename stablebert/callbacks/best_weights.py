"""Keep the weights that validated best, in memory."""

import math

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override


def is_better(score: float, best: float | None) -> bool:
    """Whether a score beats the best so far: the earliest wins ties, and NaN never wins."""
    return not math.isnan(score) and (best is None or score > best)


class BestWeights(Callback):
    """Keeps a clone of the weights of the best validation, on their own device.

    The weights are copied while the validation ends and judged when its metrics are complete, so
    that beside Lightning's `WeightAveraging`, listed after it, the averaged weights are kept.

    Args:
        monitor: key in `trainer.callback_metrics`; higher is better.

    Attributes:
        score: the best value so far; None as long as every one was NaN.
        step: optimizer steps taken when it was reached.
        metrics: everything that the same validation logged.

    Raises:
        KeyError: at the first validation, if it logs no such key.
    """

    def __init__(self, monitor: str = "val/score"):
        self.monitor = monitor
        self.score: float | None = None
        self.step: int | None = None
        self.metrics: dict[str, float] = {}
        self._best: dict[str, Tensor] = {}
        self._candidate: dict[str, Tensor] = {}

    @override
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        live = pl_module.state_dict()
        if not self._candidate:
            # clone: on a CPU, .detach().cpu() would be the live weights, and best would be last
            self._candidate = {name: tensor.detach().clone() for name, tensor in live.items()}
        else:
            for name, tensor in live.items():
                self._candidate[name].copy_(tensor)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics)) or "nothing"
            raise KeyError(f"BestWeights monitors {self.monitor!r}; validation logged {known}")
        score = float(trainer.callback_metrics[self.monitor])
        if is_better(score, self.score):
            self.score, self.step = score, trainer.global_step
            self.metrics = {k: float(v) for k, v in trainer.callback_metrics.items()}
            self._best, self._candidate = self._candidate, self._best

    def restore(self, pl_module: LightningModule) -> bool:
        """Put the best weights back; False when there are none (no validation scored a number)."""
        if self.score is None:
            return False
        pl_module.load_state_dict(self._best)
        return True
