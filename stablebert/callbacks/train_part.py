"""Training of a part of the model: BitFit, LayerNorms only, head only, top layers."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from lightning.pytorch import LightningModule, Trainer
from torch import nn
from typing_extensions import override

from stablebert.callbacks.protocols import model_of
from stablebert.callbacks.reinit import ReinitTopLayers
from stablebert.callbacks.stateful import Treatment, treated_names
from stablebert.models.architectures import layers
from stablebert.models.surgery import top_layers


def freeze_all_but(
    model: nn.Module,
    patterns: Sequence[str] = (),
    *,
    num_layers: int | None = None,
    fresh: Iterable[str] = ("classifier",),
) -> list[str]:
    """Freeze all parameters except those that match a pattern and those of the top layers.

    Args:
        model: Sequence-classification model of a supported architecture.
        patterns: Names of layers, or of parameters with `*` and `?`: `*.bias` with `classifier` is
            BitFit (Ben Zaken et al., 2022).
        num_layers: Number of top blocks to train, with pooler and classifier; None selects by
            patterns only.
        fresh: Layers that start at random, of which nothing may be frozen.

    Returns:
        Names of the trained parameters.

    Raises:
        ValueError: If a pattern adds no parameter to those before it, the model has fewer blocks,
            or a parameter of a fresh layer would keep its random value.

    Example:
        >>> from transformers import BertConfig, BertForSequenceClassification
        >>> bert = BertForSequenceClassification(BertConfig(num_hidden_layers=1))
        >>> freeze_all_but(bert, ["classifier"])
        ['classifier.weight', 'classifier.bias']
    """
    parameters = dict(model.named_parameters())
    trainable: set[int] = set()
    layers_by_name = layers(model)
    for pattern in patterns:
        layer = layers_by_name.get(pattern)
        ids_in_layer = {id(p) for p in layer.parameters()} if layer is not None else set()
        matches = [
            id(p) for n, p in parameters.items() if id(p) in ids_in_layer or fnmatchcase(n, pattern)
        ]
        if trainable.issuperset(matches):
            names = list(parameters)
            choices = ", ".join([*names[:2], "...", *names[-2:], *layers_by_name])
            raise ValueError(
                f"trainable.patterns: {pattern} matches no {'other ' if matches else ''}parameter "
                f"and no layer; there are {choices}"
            )
        trainable.update(matches)
    if num_layers is not None:
        top = [*top_layers(layers_by_name, num_layers=num_layers, pooler=True), "classifier"]
        for name in top:
            trainable.update(id(p) for p in layers_by_name[name].parameters())
    for name in fresh:
        if count := sum(id(p) not in trainable for p in layers_by_name[name].parameters()):
            raise ValueError(
                f"{name} starts at random and {count} of its parameters would stay random: "
                "train all of it"
            )
    for p in parameters.values():
        p.requires_grad_(id(p) in trainable)
    return [name for name, p in parameters.items() if id(p) in trainable]


class TrainPart(Treatment):
    """Callback that freezes most of a model before training; see `freeze_all_but`.

    List it after `ReinitTopLayers`: of a re-initialized layer nothing may be frozen. The parameters
    stay frozen after the fit.

    Args:
        patterns: Names of layers, or of parameters with `*` and `?`.
        num_layers: Number of top blocks to train.

    Raises:
        TypeError: At the start of fit, if the module has no `model` (`HasModel`).
        ValueError: At the start of fit, as `freeze_all_but`.
    """

    def __init__(
        self,
        patterns: Sequence[str] = (),
        *,
        num_layers: int | None = None,
    ):
        super().__init__()
        self.patterns = tuple(patterns)
        self.num_layers = num_layers

    @property
    def parameters(self) -> list[str]:
        """Names of the trained parameters; empty before the start of fit."""
        return self._names

    @override
    def treat(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        fresh = ["classifier", *treated_names(pl_module, ReinitTopLayers)]
        return freeze_all_but(
            model_of(pl_module, self), self.patterns, num_layers=self.num_layers, fresh=fresh
        )
