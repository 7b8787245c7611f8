"""Stand-ins for a Trainer and its module, to call the hooks of callbacks without training."""

from types import SimpleNamespace

import lightning as L
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import nn

from tests.helpers.foreign import Recorder


def trainer_at(step=0, *, fn="fit", **attributes):
    """Return a Trainer after a number of optimizer steps, in a fit or in another function."""
    defaults = {
        "global_step": step,
        "state": SimpleNamespace(fn=fn),
        "sanity_checking": False,
        "strategy": SingleDeviceStrategy("cpu"),
        "loggers": [Recorder()],
        "ckpt_path": None,
        "accumulate_grad_batches": 1,
    }
    return SimpleNamespace(**defaults | attributes)


OUTSIDE_OF_A_FIT = {
    "validate": {"fn": "validate"},
    "sanity check": {"fn": "fit", "sanity_checking": True},
}
"""Arguments of `trainer_at` for validations that do not belong to training."""


class OneWeight(L.LightningModule):
    """Module with a single weight."""

    def __init__(self, value=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([value]))

    def set(self, value):
        """Change the weight in place, as an optimizer does."""
        with torch.no_grad():
            self.weight.fill_(value)


class Holder(L.LightningModule):
    """Module that holds models by attribute."""

    def __init__(self, **models):
        super().__init__()
        for name, model in models.items():
            setattr(self, name, model)
