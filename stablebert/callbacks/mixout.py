"""Mixout: weights mixed with pre-trained ones during training (Lee, Cho and Kang, 2020)."""

from itertools import chain
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from stablebert.callbacks.protocols import model_of
from stablebert.callbacks.stateful import Treatment
from stablebert.models.location import locate_model
from stablebert.models.surgery import disable_dropout


class MixoutLinear(nn.Linear):
    """A Linear whose weight w is mixed with its target u during training.

    With a mask M, each element 1 with probability 1-p, it multiplies by

        ((1-M) u + M w - p u) / (1-p) = u + M (w - u) / (1-p)

    whose mean is w and whose derivative by w is M / (1-p). In evaluation it multiplies by w.

    Args:
        linear: Linear whose parameters are shared and whose current weight becomes the target.
        p: Probability of the target instead of the weight.
        mask: "neuron", one draw for all weights that leave an input (the code of Lee et al. and of
            Zhang et al.), or "weight", one for each weight (the text of Zhang et al.).
    """

    def __init__(self, linear: nn.Linear, p: float, mask: str = "neuron"):
        has_bias = linear.bias is not None
        super().__init__(linear.in_features, linear.out_features, has_bias, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.p, self.mask = p, mask
        self.target: Tensor
        self.register_buffer("target", linear.weight.detach().clone(), persistent=False)

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Map `(*, in_features)` to `(*, out_features)`."""
        if not self.training:
            return super().forward(x)
        # drawn on the device of the weights: nothing is copied or synchronized
        shape = self.weight.shape if self.mask == "weight" else (1, self.in_features)
        scaled_mask = self.target.new_empty(shape).bernoulli_(1 - self.p).div_(1 - self.p)
        weight = torch.addcmul(self.target, self.weight - self.target, scaled_mask)
        return F.linear(x, weight, self.bias)


def apply_mixout(
    model: nn.Module, *, p: float, mask: str = "neuron", encoder: str | None = None
) -> list[str]:
    """Replace every Linear except the classifier's with a `MixoutLinear`, and turn dropout off.

    Targets are the current weights. The classifier has no pre-trained value to mix with (Lee et al.
    exclude it; the code of Zhang et al. mixes it with its own random start).

    Args:
        model: Model of a supported architecture, or a module with one inside.
        p: Probability of the target instead of the weight, from 0 to below 1.
        mask: "neuron" or "weight"; see `MixoutLinear`.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Returns:
        Names of the replaced modules.

    Raises:
        ValueError: If `p` or `mask` is out of range, or a layer has weights outside any Linear, as
            XLNet's attention does.

    Example:
        >>> from transformers import BertConfig, BertForSequenceClassification
        >>> bert = BertForSequenceClassification(BertConfig(num_hidden_layers=1))
        >>> apply_mixout(bert, p=0.9)[:2]
        ['bert.encoder.layer.0.attention.self.query', 'bert.encoder.layer.0.attention.self.key']
    """
    if not 0 <= p < 1:
        raise ValueError(f"mixout p={p}: expected a probability from 0 to below 1")
    if mask not in ("neuron", "weight"):
        raise ValueError(f"mixout mask={mask!r}: choose neuron or weight")
    located = locate_model(model, encoder)
    layers_by_name = located.layers()
    layers_by_name.pop("classifier", None)
    modules = {id(module) for layer in layers_by_name.values() for module in layer.modules()}
    blocks = {name: layer for name, layer in layers_by_name.items() if name.startswith("layer.")}
    linears = {
        name: module
        for name, module in located.root.named_modules()
        if isinstance(module, nn.Linear) and id(module) in modules
    }
    for name, module in chain.from_iterable(b.named_modules(prefix=n) for n, b in blocks.items()):
        direct_parameter = next(module.parameters(recurse=False), None)
        if direct_parameter is not None and not isinstance(module, nn.Linear | nn.LayerNorm):
            raise ValueError(
                f"mixout p={p}: {name}, a {type(module).__name__}, keeps weights outside any "
                "Linear, which would not be mixed"
            )
    for name, linear in linears.items():
        located.root.set_submodule(name, MixoutLinear(linear, p, mask))
    disable_dropout(located.root)
    return list(linears)


class Mixout(Treatment):
    """Callback that applies Mixout before training; list it after `ReinitTopLayers`.

    Args:
        p: Probability of the pre-trained weight instead of the trained one.
        mask: "neuron" or "weight"; see `MixoutLinear`.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        TypeError: At the start of fit, if the module has no model, or several.
        ValueError: At the start of fit, as `apply_mixout`.
    """

    def __init__(self, p: float, mask: str = "neuron", *, encoder: str | None = None):
        super().__init__(encoder)
        self.p = p
        self.mask = mask

    @property
    def modules(self) -> list[str]:
        """Names of the replaced modules; empty before the start of fit."""
        return self._names

    @override
    def treat(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        return apply_mixout(pl_module, p=self.p, mask=self.mask, encoder=self.encoder)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # no weights of a checkpoint may become targets, so it holds the targets too
        root = model_of(trainer, pl_module, self, self.encoder).root
        targets: dict[str, Any] = {name: root.get_submodule(name).target for name in self.modules}
        for name, target in self.state.get("targets", {}).items():
            targets[name].copy_(target)
        self.state["targets"] = targets
