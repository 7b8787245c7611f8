"""Train a part of the model and freeze the rest: BitFit, LayerNorm only, head only, top layers."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from typing_extensions import override

from stablebert.callbacks.reinit import ReinitTopLayers
from stablebert.models.architectures import layers
from stablebert.models.surgery import top_layers


def freeze_all_but(
    model: nn.Module,
    patterns: Sequence[str] = (),
    *,
    num_layers: int | None = None,
    fresh: Iterable[str] = ("classifier",),
) -> list[str]:
    """Freeze all parameters but those of a pattern and those of the top layers.

    Args:
        model: a sequence-classification model of a supported architecture.
        patterns: names of layers, or of parameters with `*` and `?`: `*.bias` with `classifier` is
            BitFit (Ben Zaken et al., 2022).
        num_layers: how many of the top blocks to train, with pooler and classifier; None chooses
            by patterns alone.
        fresh: layers that start at random, of which nothing may be frozen.

    Returns:
        Names of the parameters that are trained.

    Raises:
        ValueError: a pattern that adds no parameter to those before it, more blocks than the model
            has, or a parameter of a fresh layer that would keep its random value.
    """
    named = dict(model.named_parameters())
    chosen: set[int] = set()
    parts = layers(model)
    for pattern in patterns:
        inside = {id(p) for p in parts[pattern].parameters()} if pattern in parts else set()
        matched = [id(p) for n, p in named.items() if id(p) in inside or fnmatchcase(n, pattern)]
        if chosen.issuperset(matched):
            raise ValueError(
                f"trainable.patterns: {pattern} matches no {'other ' if matched else ''}parameter "
                "and no layer; there are "
                f"{', '.join([*list(named)[:2], '...', *list(named)[-2:], *parts])}"
            )
        chosen.update(matched)
    if num_layers is not None:
        top = [*top_layers(parts, num_layers=num_layers, pooler=True), "classifier"]
        chosen.update(id(p) for layer in top if layer in parts for p in parts[layer].parameters())
    for layer in fresh:
        if frozen := [p for p in parts[layer].parameters() if id(p) not in chosen]:
            raise ValueError(
                f"{layer} starts at random and {len(frozen)} of its parameters would stay so: "
                "train all of it"
            )
    for p in named.values():
        p.requires_grad_(id(p) in chosen)
    return [name for name, p in named.items() if id(p) in chosen]


class TrainPart(Callback):
    """Freezes as `freeze_all_but` does, before the optimizer is built.

    Args:
        patterns: of parameter names.
        num_layers: how many of the top blocks to train.
        after: what has re-initialised layers, of which nothing may be frozen; listed before.

    Example:
        >>> Trainer(callbacks=[TrainPart(["*.bias", "classifier"])])  # doctest: +SKIP
    """

    def __init__(
        self,
        patterns: Sequence[str] = (),
        *,
        num_layers: int | None = None,
        after: ReinitTopLayers | None = None,
    ):
        self.patterns = tuple(patterns)
        self.num_layers = num_layers
        self.after = after
        self.parameters: list[str] = []

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit" and not self.parameters:
            fresh = ["classifier", *(self.after.layers if self.after else [])]
            self.parameters = freeze_all_but(
                pl_module.model, self.patterns, num_layers=self.num_layers, fresh=fresh
            )
