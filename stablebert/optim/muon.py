"""Muon for weight matrices, with Adam for all other parameters (Jordan et al., 2024)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from typing_extensions import override

from stablebert.optim.adam import BertAdam


class MuonAdam(BertAdam):
    """`BertAdam` that leaves the groups with the key `muon` to torch's Muon.

    With gradient g and momentum M ← μ M + (1-μ) g, a matrix W of shape (A, B) moves in a step by

        W ← W - η λ W - 0.2 η √max(A, B) NS(μ M + (1-μ) g)

    where NS is five Newton-Schulz iterations, which bring the singular values near 1. The factor
    0.2 √max(A, B) gives the update the root mean square of Adam's (Liu et al., 2025, arXiv
    2502.16982), so that both take the same learning rate. The iterations and μ = 0.95 are torch's
    defaults.

    A copy, a pickle or a saved state has the momenta of Muon next to the moments of Adam.
    """

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; parameters without a gradient keep their values.

        Args:
            closure: Computes loss and gradients; Lightning passes one.

        Returns:
            Value of the closure, or None without one.
        """
        loss = super().step(closure)
        for group in self.param_groups:
            if group.get("muon"):
                settings = {key: group[key] for key in ("params", "lr", "weight_decay")}
                muon = torch.optim.Muon([settings], adjust_lr_fn="match_rms_adamw")
                muon.state = self.state
                muon.step()  # type: ignore[no-untyped-call]  # not typed in torch
                for p in group["params"]:
                    if p.grad is not None:
                        # AdamW loads no state without this counter
                        count = self.state[p].get("step", torch.zeros((), device=p.device))
                        self.state[p]["step"] = count + 1
        return loss

    @override
    def _kernel_groups(self, group: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if not group.get("muon"):
            yield from super()._kernel_groups(group)


def muon_groups(
    groups: Iterable[dict[str, Any]], layers_by_name: Mapping[str, nn.Module]
) -> list[dict[str, Any]]:
    """Put the weights of the Linears in a model's blocks into groups of their own, for `MuonAdam`.

    Embeddings, pooler and classifier stay with Adam, as do biases and LayerNorms.

    Args:
        groups: Result of `parameter_groups` or `split_by_rate`.
        layers_by_name: Layers by name, as `models.location.layers` returns them.

    Raises:
        ValueError: If none of these weights is trained.
    """
    blocks = [layer for name, layer in layers_by_name.items() if name.startswith("layer.")]
    linears = [m for block in blocks for m in block.modules() if isinstance(m, nn.Linear)]
    matrices = {id(linear.weight) for linear in linears}
    result = []
    for group in groups:
        hidden = [p for p in group["params"] if id(p) in matrices]
        others = [p for p in group["params"] if id(p) not in matrices]
        if hidden:
            # Muon has no bias correction that could be left out
            result.append(group | {"params": hidden, "muon": True, "bias_correction": True})
        if others:
            result.append(group | {"params": others})
    if not any("muon" in group for group in result):
        raise ValueError(
            "optimizer.matrices=muon: no weight matrix of a layer is trained; use adam, or train "
            "more of the model"
        )
    return result
