"""How far each layer has moved from where fine-tuning started (Figures 7, 15 to 18)."""

from collections.abc import Mapping

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from typing_extensions import override

from stablebert.callbacks.step_monitor import StepMonitor
from stablebert.models.architectures import layers, log_key

Weights = dict[str, list[Tensor]]


@torch.no_grad()
def snapshot(named: Mapping[str, nn.Module]) -> Weights:
    """Copy every layer's parameters."""
    return {name: [p.detach().clone() for p in m.parameters()] for name, m in named.items()}


def weight_norms(weights: Weights) -> Tensor:
    """L2 norm of each layer, all its parameters concatenated: `(layers,)`, nothing synchronised."""
    counts = [len(tensors) for tensors in weights.values()]
    norms = torch.stack(torch._foreach_norm([t for ts in weights.values() for t in ts]))
    return torch.stack([torch.linalg.vector_norm(n) for n in norms.split(counts)])


@torch.no_grad()
def weight_change(named: Mapping[str, nn.Module], start: Weights, start_norms: Tensor) -> Tensor:
    """L2 distance of each layer from `start`, and relative to the norm of `start`.

    Returns:
        `(2, layers)` on the weights' device, nothing synchronised.
    """
    # layer by layer: the differences of a whole BERT-large would take another 1.3 GB
    distances = torch.cat(
        [
            weight_norms({name: torch._foreach_sub(list(part.parameters()), start[name])})
            for name, part in named.items()
        ]
    )
    return torch.stack([distances, distances / start_norms])


class WeightChangeMonitor(StepMonitor):
    """Logs `weight_change/<layer>` and `weight_change_relative/<layer>`.

    The start is where training starts, after any re-initialisation. Reads at steps 1, 2, 3, 5, 8,
    12, 20, ... and at validations; each reading costs one host synchronisation.

    Example:
        >>> Trainer(callbacks=[WeightChangeMonitor()])  # doctest: +SKIP
    """

    def __init__(self) -> None:
        super().__init__()
        self._start: Weights = {}
        self._start_norms = torch.empty(0)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._start = snapshot(layers(pl_module.model))
        self._start_norms = weight_norms(self._start)

    @override
    def measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        """Measure the module's distance from its start now."""
        named = layers(pl_module.model)
        moved, relative = weight_change(named, self._start, self._start_norms).tolist()
        keys = [log_key(name) for name in named]
        return {
            **{f"weight_change/{k}": d for k, d in zip(keys, moved, strict=True)},
            **{f"weight_change_relative/{k}": d for k, d in zip(keys, relative, strict=True)},
        }

    @override
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = {}  # a copy of the model is not needed any more
