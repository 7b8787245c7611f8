"""How much larger updates are without bias correction (Zhang et al., 2021, Section 4, Figure 1)."""

from collections.abc import Mapping

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from stablebert.callbacks.step_monitor import StepMonitor
from stablebert.models.architectures import layers, log_key
from stablebert.optim.adam import steps_taken
from stablebert.optim.bias_ratio import analytic_bias_ratio, update_norms


def measure_bias_ratio(optimizer: Optimizer, named: Mapping[str, nn.Module]) -> dict[str, float]:
    """Measure, per layer and over all, both updates that the optimizer's moments would give.

    For first and second moments m, v after t steps: the biased update m / (√v + ε) of BERTAdam and
    the corrected m̂ / (√v̂ + ε) of Adam, both without learning rate, whichever the optimizer applies.

    Args:
        optimizer: torch's Adam or AdamW, or `BertAdam`.
        named: layers by name, as `stablebert.models.loading.layers` gives them.

    Returns:
        For each layer and for `all`: norms `update_biased/<layer>` and `update_corrected/<layer>`,
        `bias_ratio/<layer>` (the first over the second), `eps_share/<layer>` (share of parameters
        with √v < ε, among those that ever had a gradient); and `bias_ratio/analytic`. Empty before
        the first step. Costs two host synchronisations.
    """
    t = steps_taken(optimizer)
    if t == 0:
        return {}
    group_of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    offset = getattr(optimizer, "step_offset", 0)
    rows: dict[str, torch.Tensor] = {}
    for name, part in named.items():
        held = [p for p in part.parameters() if optimizer.state.get(p)]
        if not held:  # frozen
            continue
        group = group_of[id(held[0])]
        rows[log_key(name)] = update_norms(
            [optimizer.state[p] for p in held],
            betas=group["betas"],
            eps=group["eps"],
            offset=offset,
        )
    sums = torch.stack(list(rows.values()))
    sums = torch.cat([sums, sums.sum(0, keepdim=True)]).tolist()
    metrics: dict[str, float] = {}
    for key, (biased, corrected, eps_dominates, seen) in zip([*rows, "all"], sums, strict=True):
        metrics[f"update_biased/{key}"] = biased**0.5
        metrics[f"update_corrected/{key}"] = corrected**0.5
        # no gradient at all so far: neither update moves anything
        metrics[f"bias_ratio/{key}"] = (biased / corrected) ** 0.5 if corrected else 1.0
        metrics[f"eps_share/{key}"] = eps_dominates / seen if seen else 0.0
    betas = optimizer.param_groups[0]["betas"]
    metrics["bias_ratio/analytic"] = analytic_bias_ratio(t, betas)
    return metrics


class BiasRatioMonitor(StepMonitor):
    """Logs `measure_bias_ratio` at steps 1, 2, 3, 5, 8, 12, 20, ... and at validations.

    Works with any Adam of torch and any module whose `model` is a supported architecture.

    Example:
        >>> Trainer(callbacks=[BiasRatioMonitor()])  # doctest: +SKIP
    """

    @override
    def measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        """Measure the trainer's (first) optimizer now."""
        return measure_bias_ratio(trainer.optimizers[0], layers(pl_module.model))
