"""Training of a part of the model: BitFit, LayerNorms only, head only, top layers."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from lightning.pytorch import LightningModule, Trainer
from torch import nn
from typing_extensions import override

from stablebert.callbacks.stateful import Treatment
from stablebert.models.location import locate_model
from stablebert.models.surgery import random_layers, top_layers


def freeze_all_but(
    model: nn.Module,
    patterns: Sequence[str] = (),
    *,
    num_layers: int | None = None,
    fresh: Iterable[str] = ("classifier",),
    encoder: str | None = None,
) -> list[str]:
    """Freeze all parameters except those that match a pattern and those of the top layers.

    Args:
        model: Model of a supported architecture, or a module with one inside.
        patterns: Names of layers, or of parameters with `*` and `?`: `*.bias` with `classifier` is
            BitFit (Ben Zaken et al., 2022).
        num_layers: Number of top blocks to train, with pooler and classifier; None selects by
            patterns only.
        fresh: Layers that start at random, of which nothing may be frozen.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

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
    located = locate_model(model, encoder)
    layers_by_name = located.layers()
    ids = {id(p) for layer in layers_by_name.values() for p in layer.parameters()}
    parameters = {n: p for n, p in located.root.named_parameters() if id(p) in ids}
    trainable: set[int] = set()
    for pattern in patterns:
        matches = _matches(pattern, parameters, layers_by_name)
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
        for name in layers_by_name.keys() & top:
            trainable.update(id(p) for p in layers_by_name[name].parameters())
    for name in [name for name in fresh if name in layers_by_name]:
        if count := sum(id(p) not in trainable for p in layers_by_name[name].parameters()):
            raise ValueError(
                f"{name} starts at random and {count} of its parameters would stay random: "
                "train all of it"
            )
    for p in parameters.values():
        p.requires_grad_(id(p) in trainable)
    return [name for name, p in parameters.items() if id(p) in trainable]


def _matches(
    pattern: str, parameters: Mapping[str, nn.Parameter], layers_by_name: Mapping[str, nn.Module]
) -> list[int]:
    """Return the ids of the parameters in the layer of this name, or whose names match."""
    ids_in_layer = {id(p) for p in layers_by_name.get(pattern, nn.Module()).parameters()}
    return [
        id(p) for n, p in parameters.items() if id(p) in ids_in_layer or fnmatchcase(n, pattern)
    ]


class TrainPart(Treatment):
    """Callback that freezes most of a model before training; see `freeze_all_but`.

    List it after `ReinitTopLayers`: of a re-initialized layer nothing may be frozen. The parameters
    stay frozen after the fit.

    Args:
        patterns: Names of layers, or of parameters with `*` and `?`.
        num_layers: Number of top blocks to train.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        TypeError: At the start of fit, if the module has no model, or several.
        ValueError: At the start of fit, as `freeze_all_but`.
    """

    def __init__(
        self,
        patterns: Sequence[str] = (),
        *,
        num_layers: int | None = None,
        encoder: str | None = None,
    ):
        super().__init__(encoder)
        self.patterns = tuple(patterns)
        self.num_layers = num_layers

    @property
    def parameters(self) -> list[str]:
        """Names of the trained parameters; empty before the start of fit."""
        return self._names

    @override
    def treat(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        model = locate_model(pl_module, self.encoder).model
        return freeze_all_but(
            pl_module,
            self.patterns,
            num_layers=self.num_layers,
            fresh=random_layers(model),
            encoder=self.encoder,
        )
