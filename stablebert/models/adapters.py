"""Adapters of the package peft: LoRA (Hu et al., 2022) and (IA)³ (Liu et al., 2022)."""

from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

import torch
from torch import nn

from stablebert.models.location import LocatedModel, locate_model
from stablebert.seeds import stream_generator


@torch.no_grad()
def add_adapters(
    model: nn.Module,
    *,
    kind: str,
    rank: int = 8,
    alpha: float = 16.0,
    seed: int = 0,
    encoder: str | None = None,
) -> list[str]:
    """Add adapters to the Linears of a model's blocks; its outputs stay the same until training.

    LoRA adds (alpha / rank) B A to the weights of queries and values, with A drawn from
    U(-1/√in, 1/√in) as in its released code, and B = 0. (IA)³ multiplies keys, values and the
    inputs of the second feed-forward Linear by vectors of ones.

    No parameter is frozen: `freeze_all_but` does that.

    Args:
        model: Model of a supported architecture, or a module with one inside, on any device.
        kind: "lora" or "ia3".
        rank: Rank of B A; LoRA only.
        alpha: Numerator of the factor on B A; LoRA only.
        seed: Seed of A, a run's `seed_init`.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Returns:
        Names of the Linears with adapters, in the model.

    Raises:
        ImportError: If peft is not installed.
        ValueError: If there is no such kind, or the architecture has no such Linears.

    Example:
        >>> from transformers import BertConfig, BertForSequenceClassification
        >>> bert = BertForSequenceClassification(BertConfig(num_hidden_layers=1))
        >>> add_adapters(bert, kind="lora")[-1]
        'bert.encoder.layer.0.attention.self.value'
    """
    peft = _load_peft()
    located = locate_model(model, encoder)
    linears, feed_forward = _targets(located, kind)
    names = [*linears, *feed_forward]
    if kind == "lora":
        config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=names)
    else:
        config = peft.IA3Config(target_modules=names, feedforward_modules=feed_forward)
    trained = [p for p in located.model.parameters() if p.requires_grad]
    with torch.random.fork_rng(devices=[]):  # peft draws from the global generator
        peft.inject_adapter_in_model(config, located.model)
    for p in trained:  # peft freezes them
        p.requires_grad_(True)
    rng = stream_generator(seed, "adapters")
    for name, p in located.model.named_parameters():
        if ".lora_A." in name:
            bound = p.shape[1] ** -0.5
            p.copy_(torch.empty(p.shape).uniform_(-bound, bound, generator=rng))
    return names


def _load_peft() -> Any:
    try:
        return import_module("peft")
    except ImportError as error:
        raise ImportError(
            f"adapters need peft ({error}): pip install 'stablebert[adapters]'"
        ) from error


def _targets(located: LocatedModel, kind: str) -> tuple[list[str], list[str]]:
    """Return the names of Linears that get adapters, those of feed-forward networks apart."""
    if kind not in ("lora", "ia3"):
        raise ValueError(f"adapter.kind={kind!r}: choose lora or ia3")
    projections = located.architecture.projections
    if projections is None:
        raise ValueError(
            f"adapter.kind={kind}: {type(located.model).__name__} keeps the weights of its "
            "attention outside any Linear; use another model"
        )
    query, key, value, feed_forward = projections
    if kind == "ia3" and query == key:
        raise ValueError(
            f"adapter.kind=ia3: {type(located.model).__name__} has one Linear for query, key and "
            "value, so the last two cannot be scaled alone; use lora, or another model"
        )
    blocks = [layer for name, layer in located.layers().items() if name.startswith("layer.")]
    path_of = {id(module): path for path, module in located.model.named_modules()}

    def paths(*patterns: str) -> list[str]:
        return [
            path_of[id(module)]
            for block in blocks
            for name, module in block.named_modules()
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        ]

    return (paths(query, value), []) if kind == "lora" else (paths(key, value), paths(feed_forward))


def merge_adapters(model: nn.Module) -> None:
    """Add every adapter to the weights of its Linear and remove it; outputs stay the same."""
    for name, module in [*model.named_modules()]:
        layer: Any = module
        if hasattr(layer, "get_base_layer"):  # an adapter of peft
            layer.merge()
            model.set_submodule(name, layer.get_base_layer())
