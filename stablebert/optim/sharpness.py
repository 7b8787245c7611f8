"""Sharpness-aware minimization, SAM (Foret et al., 2021): the ascent before the second pass."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm


@torch.no_grad()
def ascend(parameters: Sequence[Tensor], gradients: Sequence[Tensor], rho: float) -> list[Tensor]:
    """Move parameters uphill by a step of length rho: w + rho g / ‖g‖, with one norm for all.

    The scale of the gradients does not matter. If they overflowed, the parameters become NaN, and
    so does the next gradient, which a `GradScaler` then skips.

    Args:
        parameters: Tensors to move in place.
        gradients: Their gradients, in any scale.
        rho: Length of the step.

    Returns:
        Copies of the parameters before the move.

    Example:
        >>> weight = torch.tensor([1.0, 1.0])
        >>> _ = ascend([weight], [torch.tensor([30.0, 40.0])], rho=0.5)
        >>> weight
        tensor([1.3000, 1.4000])
    """
    start = [p.clone() for p in parameters]
    scale = rho / (get_total_norm(gradients) + 1e-12)
    for p, gradient in zip(parameters, gradients, strict=True):
        p.add_(gradient * scale)
    return start
