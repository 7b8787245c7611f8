"""The weights of the best validation, in memory."""

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from stablebert.callbacks.protocols import require_whole_model
from stablebert.callbacks.stateful import StatefulCallback, is_validation_of_fit


def is_better(score: float, best: float | None) -> bool:
    """Return whether a score beats the best so far: the earliest wins ties, and NaN never wins.

    Example:
        >>> is_better(0.7, None), is_better(0.7, 0.7), is_better(float("nan"), None)
        (True, False, False)
    """
    return not math.isnan(score) and (best is None or score > best)


class BestWeights(StatefulCallback):
    """Callback that keeps a copy of the weights of a fit's best validation, on their own device.

    The weights are copied at the end of the validation epoch and compared when its metrics are
    complete. If Lightning's `WeightAveraging` is listed after it, the averaged weights are kept.

    Args:
        monitor: Key in `trainer.callback_metrics`; higher is better.

    Raises:
        ValueError: If the Trainer splits the model among devices.
        KeyError: At the first validation, if it does not log this key.
    """

    def __init__(self, monitor: str = "val/score"):
        super().__init__(key=monitor)
        self.monitor = monitor
        self._candidate: dict[str, Tensor] = {}

    @override
    def new_state(self) -> dict[str, Any]:
        return {"score": None, "step": None, "metrics": {}, "weights": {}}

    @property
    def score(self) -> float | None:
        """Best value of the fit so far; None as long as every one was NaN."""
        score: float | None = self.state["score"]
        return score

    @property
    def step(self) -> int | None:
        """Number of optimizer steps at the best validation."""
        step: int | None = self.state["step"]
        return step

    @property
    def metrics(self) -> dict[str, float]:
        """Everything that the best validation logged."""
        metrics: dict[str, float] = self.state["metrics"]
        return metrics

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        require_whole_model(trainer, self)
        self._candidate = {}  # its shapes are those of another module

    @override
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not is_validation_of_fit(trainer):
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
        if not is_validation_of_fit(trainer):
            return
        if self.monitor not in trainer.callback_metrics:
            keys = ", ".join(sorted(trainer.callback_metrics)) or "nothing"
            raise KeyError(f"BestWeights monitors {self.monitor!r}; validation logged {keys}")
        # the processes of several devices must agree, even if each logged a score of its own
        score = trainer.strategy.broadcast(float(trainer.callback_metrics[self.monitor]))
        if is_better(score, self.score):
            metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
            self._candidate, weights = self.state["weights"], self._candidate
            self.state |= {"score": score, "step": trainer.global_step, "metrics": metrics}
            self.state["weights"] = weights

    def restore(self, pl_module: LightningModule) -> bool:
        """Load the best weights of the last fit into a module.

        Returns:
            True if this changed the module. It does not if its weights are the best already, or if
            there are none, because no validation had a score.
        """
        if self.score is None:
            return False
        weights = self.state["weights"]
        if all(
            torch.equal(tensor, weights[name].to(tensor.device))
            for name, tensor in pl_module.state_dict().items()
        ):
            return False
        pl_module.load_state_dict(weights)
        return True
