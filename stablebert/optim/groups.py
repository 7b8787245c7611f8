"""Parameter groups: who decays, layer-wise learning rates, decay toward the start."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trained weights that decay; and biases and LayerNorm, which do not (BERT's rule).

    Frozen parameters are in no group, and a group that would be empty is left out.

    Raises:
        ValueError: the rule did not recognise this model's parameters; or none is trained.
    """
    exempt = {
        id(p)
        for module in model.modules()
        for name, p in module.named_parameters(recurse=False)
        if isinstance(module, nn.LayerNorm) or name.endswith("bias")  # r_w_bias, in XLNet
    }
    kinds: list[list[nn.Parameter]] = [[], []]
    for p in model.parameters():
        kinds[id(p) in exempt].append(p)
    if not all(kinds):
        raise ValueError(f"{type(model).__name__}: no weights, or no biases and LayerNorms, found")
    groups = [
        {"params": [p for p in kind if p.requires_grad], "weight_decay": decay}
        for kind, decay in zip(kinds, (weight_decay, 0.0), strict=True)
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise ValueError(f"{type(model).__name__}: every parameter is frozen, none is trained")
    return groups


def layer_rates(names: Sequence[str], *, lr: float, decay: float) -> dict[str, float]:
    r"""Layer-wise learning rates (LLRD; Howard and Ruder, 2018; Zhang et al., Appendix H).

    Classifier and pooler have rate :math:`η`, of N layers the top one :math:`η d`, the next
    :math:`η d^2`, down to :math:`η d^N`, and the embeddings :math:`η d^{N+1}`.

    Args:
        names: of the layers from the bottom up, as `stablebert.models.loading.layers` gives them.
        lr: the rate :math:`η`.
        decay: the factor :math:`d`.
    """
    below = [name for name in names if name not in ("pooler", "classifier")]
    depth = {name: i for i, name in enumerate(reversed(below), 1)}
    return {name: lr * decay ** depth.get(name, 0) for name in names}


def split_by_rate(
    groups: Iterable[dict[str, Any]], named: Mapping[str, nn.Module], rates: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Split groups by layer and give each its rate; every parameter stays in exactly one.

    Args:
        groups: as `parameter_groups` gives them.
        named: layers by name; together they hold every parameter of the groups.
        rates: learning rate of each layer.
    """
    layer_of = {id(p): name for name, part in named.items() for p in part.parameters()}
    made = []
    for group in groups:
        parts: dict[str, list[Tensor]] = {}
        for p in group["params"]:
            parts.setdefault(layer_of[id(p)], []).append(p)
        made += [group | {"params": ps, "lr": rates[name]} for name, ps in parts.items()]
    return made


def decay_to_start(groups: Iterable[dict[str, Any]], *, free: nn.Module) -> list[dict[str, Any]]:
    """Turn decay towards 0 into a pull of the same strength towards the weights as they are now.

    Zhang et al. (2021), Section 7, "pre-trained weight decay"; Lee et al. (2020), wdecay(w_pre).

    Args:
        groups: as `parameter_groups` gives them.
        free: a part that neither decays nor is pulled: the classifier, which has no start worth
            staying at.
    """
    unpulled = {id(p) for p in free.parameters()}
    made = []
    for group in groups:
        pull, group = group["weight_decay"], group | {"weight_decay": 0.0}
        held = [p for p in group["params"] if pull and id(p) not in unpulled]
        others = [p for p in group["params"] if not (pull and id(p) not in unpulled)]
        if held:
            start = [p.detach().clone() for p in held]
            made.append(group | {"params": held, "pull": pull, "start": start})
        if others:
            made.append(group | {"params": others})
    return made
