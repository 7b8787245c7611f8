"""Parameter groups: which parameters decay and toward what, and learning rates per layer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Group trained parameters into weights, which decay, and biases and LayerNorms (BERT's rule).

    Frozen parameters are in no group, and empty groups are left out.

    Args:
        model: Any model with biases or LayerNorms.
        weight_decay: Decay of the first group; that of the second is 0.

    Raises:
        ValueError: If the rule does not recognize the parameters of this model, or none is trained.

    Example:
        >>> groups = parameter_groups(nn.Linear(3, 2), weight_decay=0.01)
        >>> [(group["weight_decay"], len(group["params"])) for group in groups]
        [(0.01, 1), (0.0, 1)]
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
        raise ValueError(f"{type(model).__name__}: every parameter is frozen, so none is trained")
    return groups


def layer_rates(names: Sequence[str], *, lr: float, decay: float) -> dict[str, float]:
    """Return layer-wise learning rates (LLRD; Howard and Ruder, 2018; Zhang et al., Appendix H).

    Classifier and pooler have rate η. Of L layers the top one has η d, the next η d², and so on to
    η d^L; the embeddings have η d^(L+1).

    Args:
        names: Layers from the bottom up, the keys that `models.location.layers` returns.
        lr: Learning rate η.
        decay: Factor d from each layer to the one below.

    Example:
        >>> layer_rates(["embeddings", "layer.0", "layer.1", "classifier"], lr=1.0, decay=0.5)
        {'embeddings': 0.125, 'layer.0': 0.25, 'layer.1': 0.5, 'classifier': 1.0}
    """
    below = [name for name in names if name not in ("pooler", "classifier")]
    depth = {name: i for i, name in enumerate(reversed(below), 1)}
    return {name: lr * decay ** depth.get(name, 0) for name in names}


def split_by_rate(
    groups: Iterable[dict[str, Any]],
    layers_by_name: Mapping[str, nn.Module],
    rates: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Split groups by layer and set the learning rate of each part.

    Args:
        groups: Result of `parameter_groups`.
        layers_by_name: Layers by name; together they hold every parameter of the groups.
        rates: Learning rate of each layer.

    Returns:
        Groups with a key `lr`; every parameter is in exactly one.
    """
    layer_of = {id(p): name for name, layer in layers_by_name.items() for p in layer.parameters()}
    result = []
    for group in groups:
        by_layer: dict[str, list[Tensor]] = {}
        for p in group["params"]:
            by_layer.setdefault(layer_of[id(p)], []).append(p)
        result += [group | {"params": ps, "lr": rates[name]} for name, ps in by_layer.items()]
    return result


def decay_to_start(
    groups: Iterable[dict[str, Any]], *, exclude: Iterable[nn.Module]
) -> list[dict[str, Any]]:
    """Replace decay toward 0 with a pull of the same strength toward the current weights.

    `BertAdam` applies the pull (Zhang et al., 2021, Section 7, "pre-trained weight decay"; Lee et
    al., 2020, `wdecay(w_pre)`).

    Args:
        groups: Result of `parameter_groups` or `split_by_rate`.
        exclude: Parts that neither decay nor are pulled, because their start is random: the
            classifier and re-initialized layers.

    Returns:
        Groups without weight decay; those that are pulled have the keys `pull` and `start`.
    """
    excluded_ids = {id(p) for part in exclude for p in part.parameters()}
    result = []
    for group in groups:
        pull, group = group["weight_decay"], group | {"weight_decay": 0.0}
        members = [p for p in group["params"] if pull and id(p) not in excluded_ids]
        others = [p for p in group["params"] if not (pull and id(p) not in excluded_ids)]
        if members:
            start = [p.detach().clone() for p in members]
            result.append(group | {"params": members, "pull": pull, "start": start})
        if others:
            result.append(group | {"params": others})
    return result
