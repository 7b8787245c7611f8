"""Monitor of the bias ratio: how much larger updates are without bias correction.

Zhang et al. (2021), Section 4, Figure 1.
"""

from collections.abc import Mapping

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from stablebert.callbacks.protocols import model_of
from stablebert.callbacks.step_monitor import StepMonitor
from stablebert.models.architectures import log_key
from stablebert.models.location import layers
from stablebert.optim.adam import step_offset, steps_taken
from stablebert.optim.bias_ratio import analytic_bias_ratio, update_norms


def measure_bias_ratio(
    optimizer: Optimizer, layers_by_name: Mapping[str, nn.Module]
) -> dict[str, float]:
    """Measure, per layer and overall, both updates that the optimizer's moments imply.

    For first and second moments m, v after t steps: the biased update m / (√v + ε) of BERTAdam and
    the corrected m̂ / (√v̂ + ε) of Adam, both without learning rate, whichever the optimizer applies.

    Args:
        optimizer: Adam or AdamW of torch, or `BertAdam`.
        layers_by_name: Layers by name, as `models.location.layers` returns them.

    Returns:
        For each layer and for `all`: the norms `update_biased/<layer>` and
        `update_corrected/<layer>`, their quotient `bias_ratio/<layer>`, and `eps_share/<layer>`,
        the share of parameters with √v < ε among those that have had a gradient; also
        `bias_ratio/analytic`. Empty before the first step. Costs two host synchronizations.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> optimizer = torch.optim.Adam(layer.parameters())
        >>> layer(torch.ones(2)).sum().backward()
        >>> _ = optimizer.step()
        >>> round(measure_bias_ratio(optimizer, {"classifier": layer})["bias_ratio/all"], 2)
        3.16
    """
    t = steps_taken(optimizer)
    if t == 0:
        return {}
    group_of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    norms: dict[str, torch.Tensor] = {}
    for name, layer in layers_by_name.items():
        # Muon has other state
        parameters = [p for p in layer.parameters() if "exp_avg" in optimizer.state.get(p, {})]
        if not parameters:
            continue
        group = group_of[id(parameters[0])]
        norms[log_key(name)] = update_norms(
            [optimizer.state[p] for p in parameters],
            betas=group["betas"],
            eps=group["eps"],
            offset=step_offset(group),
        )
    sums = torch.stack(list(norms.values()))
    rows = torch.cat([sums, sums.sum(0, keepdim=True)]).tolist()
    metrics: dict[str, float] = {}
    for key, row in zip([*norms, "all"], rows, strict=True):
        biased_sum, corrected_sum, eps_dominates, with_gradient = row
        metrics[f"update_biased/{key}"] = biased_sum**0.5
        metrics[f"update_corrected/{key}"] = corrected_sum**0.5
        # with no gradient so far, neither update moves anything
        ratio = (biased_sum / corrected_sum) ** 0.5 if corrected_sum else 1.0
        metrics[f"bias_ratio/{key}"] = ratio
        metrics[f"eps_share/{key}"] = eps_dominates / with_gradient if with_gradient else 0.0
    betas = optimizer.param_groups[0]["betas"]
    metrics["bias_ratio/analytic"] = analytic_bias_ratio(t, betas)
    return metrics


class BiasRatioMonitor(StepMonitor):
    """Monitor of the bias ratio, at steps 1, 2, 3, 5, 8, 12, 20, ... and at validations.

    It logs the result of `measure_bias_ratio`.

    Args:
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        TypeError: At the start of training, if the module has no model, or several, or the first
            optimizer is not an Adam of its parameters.
    """

    def __init__(self, *, encoder: str | None = None):
        super().__init__(key=encoder)
        self.encoder = encoder

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        model_of(trainer, pl_module, self, self.encoder)
        optimizer = trainer.optimizers[0] if trainer.optimizers else None
        if optimizer is None or not {"betas", "eps"} <= optimizer.param_groups[0].keys():
            kind = "no optimizer" if optimizer is None else type(optimizer).__name__
            raise TypeError(f"BiasRatioMonitor needs Adam, AdamW or BertAdam; got {kind}")
        ids = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self._layers = layers(pl_module, self.encoder)
        parameters = (p for layer in self._layers.values() for p in layer.parameters())
        if ids.isdisjoint(map(id, parameters)):
            raise TypeError(
                "BiasRatioMonitor reads the first optimizer, which has no parameter of the model; "
                "return the model's optimizer first"
            )

    @override
    def measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        return measure_bias_ratio(trainer.optimizers[0], self._layers)
