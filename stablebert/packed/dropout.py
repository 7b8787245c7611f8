"""Dropout with masks that are cheap to draw on a CPU: indices of dropped elements, no full mask.

The gaps between dropped elements are geometric, so one random number per dropped element is
enough, a tenth of those of a full mask at the usual rate. Every element is dropped independently
with exactly probability p (to the 24 bits of a float32).
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class DropoutMasks:
    """Stream of dropout masks for a CPU, with its own generator.

    Args:
        seed: Determines the masks; nothing else draws from the stream.

    Example:
        >>> DropoutMasks(seed=0).dropped_indices(100, p=0.05)
        tensor([28, 37, 50, 56, 92])
    """

    def __init__(self, seed: int):
        self._random = np.random.Generator(np.random.SFC64(seed))

    def dropped_indices(self, n: int, p: float) -> Tensor:
        """Draw the elements to drop, each independently with probability `p`.

        Args:
            n: Number of elements.
            p: Dropout rate, in (0, 1).

        Returns:
            Indices in 0..n-1 in ascending order, `(P,)` int64.
        """
        # P(gap >= k) = (1-p)^k = P(E >= k rate) for E of the standard exponential distribution
        rate = -math.log1p(-p)
        parts: list[Tensor] = []
        last = -1
        while last < n - 1:
            remaining = n - 1 - last
            draws = int(remaining * p + 5 * math.sqrt(remaining * p) + 10)
            gaps = torch.from_numpy(self._random.standard_exponential(draws, dtype=np.float32))
            indices = gaps.div_(rate).to(torch.int32).add_(1).cumsum(0).add_(last)
            parts.append(indices)
            last = int(indices[-1])
        indices = torch.cat(parts) if len(parts) > 1 else parts[0]
        return indices[: int(torch.searchsorted(indices, n))]


def dropout(x: Tensor, p: float, masks: DropoutMasks) -> Tensor:
    """Apply dropout to a tensor of any shape.

    Args:
        x: Input.
        p: Dropout rate; 0 returns `x` itself.
        masks: Source of the masks on a CPU; a GPU uses torch's dropout and global generator.

    Example:
        >>> dropout(torch.ones(6), p=0.5, masks=DropoutMasks(seed=1))
        tensor([0., 0., 2., 2., 0., 2.])
    """
    if not p:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p)
    result: Tensor = _Dropout.apply(  # type: ignore[no-untyped-call]  # torch has no types here
        x.contiguous(), masks.dropped_indices(x.numel(), p), 1 / (1 - p)
    )
    return result


class _Dropout(torch.autograd.Function):
    """Scaling by 1 / (1-p) with the dropped elements set to zero."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, indices: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.scale = scale
        return _set_zero(x * scale, indices)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _set_zero(grad * ctx.scale, *ctx.saved_tensors), None, None


def _set_zero(x: Tensor, indices: Tensor) -> Tensor:
    x.view(-1).index_fill_(0, indices, 0)
    return x
