"""Mixout: weights mixed with pre-trained ones while training (Lee, Cho and Kang, 2020)."""

from itertools import chain

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from stablebert.models.architectures import layers
from stablebert.models.surgery import disable_dropout


class MixoutLinear(nn.Linear):
    r"""A Linear whose weight is mixed with its target :math:`u` while training.

    With a mask :math:`M`, each element 1 with probability :math:`1-p`, it multiplies by

    .. math:: \frac{(1-M) u + M w - p u}{1-p} = u + \frac{M}{1-p} (w - u)

    whose mean is :math:`w` and whose derivative by :math:`w` is :math:`M / (1-p)`. In evaluation it
    multiplies by :math:`w`.

    Args:
        linear: whose weight, as it is, becomes the target, and whose parameters are shared.
        p: probability of the target in place of the weight.
        mask: "neuron", one draw for all weights that leave an input (Lee et al.'s and Zhang et
            al.'s code), or "weight", one for each weight (Zhang et al.'s text).
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
        """`(*, in)` to `(*, out)`."""
        if not self.training:
            return super().forward(x)
        # drawn where the weights are: nothing is copied or synchronised
        shape = self.weight.shape if self.mask == "weight" else (1, self.in_features)
        kept = self.target.new_empty(shape).bernoulli_(1 - self.p).div_(1 - self.p)
        return F.linear(x, torch.addcmul(self.target, self.weight - self.target, kept), self.bias)


def apply_mixout(model: nn.Module, *, p: float, mask: str = "neuron") -> list[str]:
    """Replace every Linear but the classifier's by a `MixoutLinear`, and turn dropout off.

    Targets are the weights as they are now. The classifier has no pre-trained value to be mixed
    with (Lee et al. leave it out; Zhang et al.'s code mixes it with its own random start).

    Returns:
        Names of the modules replaced.

    Raises:
        ValueError: `p` is not from 0 to below 1, `mask` neither "neuron" nor "weight", or a layer
            keeps weights outside any Linear, as XLNet's attention does.
    """
    if not 0 <= p < 1:
        raise ValueError(f"mixout p={p}: a probability from 0 to below 1")
    if mask not in ("neuron", "weight"):
        raise ValueError(f"mixout mask={mask!r}: neuron or weight")
    parts = layers(model)
    head = {id(module) for module in parts["classifier"].modules()}
    blocks = {name: part for name, part in parts.items() if name.startswith("layer.")}
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and id(module) not in head
    }
    for name, module in chain.from_iterable(b.named_modules(prefix=n) for n, b in blocks.items()):
        own = next(module.parameters(recurse=False), None)
        if own is not None and not isinstance(module, nn.Linear | nn.LayerNorm):
            raise ValueError(
                f"mixout p={p}: {name}, a {type(module).__name__}, keeps weights outside any "
                "Linear, which would not be mixed"
            )
    for name, linear in found.items():
        model.set_submodule(name, MixoutLinear(linear, p, mask))
    disable_dropout(model)
    return list(found)


class Mixout(Callback):
    """Mixes `pl_module.model` as `apply_mixout` does, before training.

    List it after `ReinitTopLayers`.

    Args:
        p: probability of the pre-trained weight in place of the trained one.
        mask: "neuron" or "weight".

    Example:
        >>> Trainer(callbacks=[Mixout(0.1)])  # doctest: +SKIP
    """

    def __init__(self, p: float, mask: str = "neuron"):
        self.p = p
        self.mask = mask
        self.modules: list[str] = []

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit" and not self.modules:
            self.modules = apply_mixout(pl_module.model, p=self.p, mask=self.mask)
