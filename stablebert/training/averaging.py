"""Mean of the weights of the last steps: stochastic weight averaging (Izmailov et al., 2018)."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from typing_extensions import override

from stablebert.callbacks.validation import planned_steps
from stablebert.torch_internals import Tensors, move_toward


class LateAveraging(WeightAveraging):
    """Lightning's weight averaging, of the weights after each step from a fraction of training on.

    Of T steps, with s = int(start T), the average after step t > s is the mean of the weights after
    steps s + 1 to t. Until then, validation sees the current weights: Lightning's own options for a
    late start would validate the initial ones.

    Args:
        start: Fraction of all optimizer steps without averaging, from 0 to below 1.
        device: Kind of device of the average, `cpu` or `cuda`.
    """

    def __init__(self, start: float, device: str):
        super().__init__(device, use_buffers=False, multi_avg_fn=self._move_average)
        self.start = start
        self._first = 0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._first = int(self.start * planned_steps(trainer, pl_module, type(self).__name__))

    def _move_average(self, averages: Tensors, weights: Tensors, updates: Tensor) -> None:
        """Move averages toward the current weights, given the number of earlier updates."""
        move_toward(averages, weights, 1 / max(1, int(updates) + 1 - self._first))
