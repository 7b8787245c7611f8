"""Monitor of the weight change: the distance of each layer from the start of fine-tuning.

Zhang et al. (2021), Figures 7 and 15 to 18.
"""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from typing_extensions import override

from stablebert.callbacks.protocols import model_of
from stablebert.callbacks.step_monitor import StepMonitor
from stablebert.models.architectures import log_key
from stablebert.models.location import layers
from stablebert.torch_internals import differences, norms

logger = logging.getLogger(__name__)

Weights = dict[str, list[Tensor]]


@torch.no_grad()
def copy_weights(layers_by_name: Mapping[str, nn.Module]) -> Weights:
    """Copy the parameters of every layer, as lists of tensors by layer name."""
    return {
        name: [p.detach().clone() for p in layer.parameters()]
        for name, layer in layers_by_name.items()
    }


def weight_norms(weights: Weights) -> Tensor:
    """Return the L2 norm of each layer, all its parameters concatenated, without a synchronization.

    Returns:
        One number per entry of `weights`, on their device.

    Example:
        >>> weight_norms({"layer.0": [torch.tensor([3.0]), torch.tensor([4.0])]})
        tensor([5.])
    """
    counts = [len(tensors) for tensors in weights.values()]
    flat = torch.stack(norms([t for tensors in weights.values() for t in tensors]))
    return torch.stack([torch.linalg.vector_norm(n) for n in torch.split(flat, counts)])


@torch.no_grad()
def weight_change(
    layers_by_name: Mapping[str, nn.Module], start: Weights, start_norms: Tensor
) -> Tensor:
    """Return the L2 distance of each layer from its start, absolute and relative.

    Args:
        layers_by_name: Layers by name.
        start: Result of `copy_weights` at the start.
        start_norms: Result of `weight_norms` for it, one number per layer.

    Returns:
        Distances, and distances divided by `start_norms`: two rows with one number per layer, on
        the device of the weights, without a synchronization.
    """
    # layer by layer: the differences of all of BERT-large at once would take another 1.3 GB
    distances = torch.cat(
        [
            weight_norms({name: list(differences(list(layer.parameters()), start[name]))})
            for name, layer in layers_by_name.items()
        ]
    )
    return torch.stack([distances, distances / start_norms])


class WeightChangeMonitor(StepMonitor):
    """Monitor that logs `weight_change/<layer>` and `weight_change_relative/<layer>`.

    Distances are from the start of training, after any re-initialization. It measures at steps 1,
    2, 3, 5, 8, 12, 20, ... and at validations, with one host synchronization each.

    Args:
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        TypeError: At the start of training, if the module has no model, or several.
    """

    def __init__(self, *, encoder: str | None = None):
        super().__init__(key=encoder)
        self.encoder = encoder

    @override
    def new_state(self) -> dict[str, Any]:
        return super().new_state() | {"start": {}}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        model_of(trainer, pl_module, self, self.encoder)
        self._layers = layers(pl_module, self.encoder)
        if not self.state["start"]:
            if trainer.ckpt_path is not None:
                logger.warning(
                    "WeightChangeMonitor: %s has no weights from the start of training; distances "
                    "are from its own weights",
                    trainer.ckpt_path,
                )
            self.state["start"] = copy_weights(self._layers)
        self._start_norms = weight_norms(self.state["start"])

    @override
    def measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        change = weight_change(self._layers, self.state["start"], self._start_norms)
        distances, relative = change.tolist()
        keys = [log_key(name) for name in self._layers]
        return {
            **{f"weight_change/{k}": d for k, d in zip(keys, distances, strict=True)},
            **{f"weight_change_relative/{k}": d for k, d in zip(keys, relative, strict=True)},
        }
