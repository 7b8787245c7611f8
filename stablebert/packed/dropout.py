"""Dropout whose masks cost little to draw on a CPU: the dropped elements, not a mask over all.

The gaps between dropped elements are geometric, so one random number is drawn per dropped element,
a tenth of what a mask takes at the usual rate. Every element is dropped independently with exactly
probability p (to the 24 bits of a float32).
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class DropoutMasks:
    """A stream of dropout masks for a CPU, from its own generator.

    Args:
        seed: the same seed gives the same masks; nothing else draws from the stream.
    """

    def __init__(self, seed: int):
        self._random = np.random.Generator(np.random.SFC64(seed))

    def dropped_indices(self, n: int, p: float) -> Tensor:
        """Indices below `n`, rising, int64: each is there with probability `p`, independently."""
        # P(gap >= k) = (1-p)^k = P(E >= k rate) for E of the standard exponential distribution
        rate = -math.log1p(-p)
        parts: list[Tensor] = []
        last = -1
        while last < n - 1:
            left = n - 1 - last
            draws = int(left * p + 5 * math.sqrt(left * p) + 10)
            gaps = torch.from_numpy(self._random.standard_exponential(draws, dtype=np.float32))
            found = gaps.div_(rate).to(torch.int32).add_(1).cumsum(0).add_(last)
            parts.append(found)
            last = int(found[-1])
        indices = torch.cat(parts) if len(parts) > 1 else parts[0]
        return indices[: int(torch.searchsorted(indices, n))]


class _Dropout(torch.autograd.Function):
    """Scale by 1 / (1-p) and zero the dropped elements."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dropped: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(dropped)
        ctx.scale = scale
        return _zeroed(x * scale, dropped)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _zeroed(grad * ctx.scale, *ctx.saved_tensors), None, None


def _zeroed(x: Tensor, indices: Tensor) -> Tensor:
    x.view(-1).index_fill_(0, indices, 0)
    return x


def dropout(x: Tensor, p: float, masks: DropoutMasks) -> Tensor:
    """Dropout at rate `p` (0 does nothing); on a GPU torch's own, from its global generator."""
    if not p:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p)
    return _Dropout.apply(x.contiguous(), masks.dropped_indices(x.numel(), p), 1 / (1 - p))
