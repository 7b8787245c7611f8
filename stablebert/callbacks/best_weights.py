"""The weights of the best validation, in memory."""

import math

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override


def is_better(score: float, best: float | None) -> bool:
    """Return whether a score beats the best so far: the earliest wins ties, and NaN never wins.

    Example:
        >>> is_better(0.7, None), is_better(0.7, 0.7), is_better(float("nan"), None)
        (True, False, False)
    """
    return not math.isnan(score) and (best is None or score > best)


class BestWeights(Callback):
    """Callback that keeps a copy of the best validation's weights, on their own device.

    The weights are copied at the end of the validation epoch and compared when its metrics are
    complete. If Lightning's `WeightAveraging` is listed after it, the averaged weights are kept.

    Args:
        monitor: Key in `trainer.callback_metrics`; higher is better.

    Attributes:
        score: Best value so far; None as long as every one was NaN.
        step: Number of optimizer steps at that validation.
        metrics: Everything that the same validation logged.

    Raises:
        KeyError: At the first validation, if it does not log this key.
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
        state = pl_module.state_dict()
        if not self._candidate:
            # clone: on a CPU, .detach().cpu() is the live weights, so the best would be the last
            self._candidate = {name: tensor.detach().clone() for name, tensor in state.items()}
        else:
            for name, tensor in state.items():
                self._candidate[name].copy_(tensor)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        if self.monitor not in trainer.callback_metrics:
            keys = ", ".join(sorted(trainer.callback_metrics)) or "nothing"
            raise KeyError(f"BestWeights monitors {self.monitor!r}; validation logged {keys}")
        score = float(trainer.callback_metrics[self.monitor])
        if is_better(score, self.score):
            self.score, self.step = score, trainer.global_step
            self.metrics = {k: float(v) for k, v in trainer.callback_metrics.items()}
            self._best, self._candidate = self._candidate, self._best

    def restore(self, pl_module: LightningModule) -> bool:
        """Load the best weights into the module.

        Returns:
            False if there are none, because no validation had a score; nothing is changed then.
        """
        if self.score is None:
            return False
        pl_module.load_state_dict(self._best)
        return True
