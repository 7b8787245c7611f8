"""Dropout with masks that are cheap to draw on a CPU: indices of dropped elements, no full mask.

The gaps between dropped elements are geometric, so one random number per dropped element is
enough, a tenth of those of a full mask at the usual rate. Every element is dropped independently
with exactly probability p (to the 24 bits of a float32).
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

DRAWS = 2**14


class DropoutMasks:
    """Stream of dropout masks for a CPU, with its own generator.

    Args:
        seed: Determines the masks; nothing else draws from the stream.

    Example:
        >>> DropoutMasks(seed=0).dropped_indices(100, p=0.05)
        tensor([25, 42, 51, 57, 75, 85, 86, 89])
    """

    def __init__(self, seed: int):
        self._random = np.random.Generator(np.random.SFC64(seed))
        self._drops: dict[float, _Drops] = {}

    def dropped_indices(self, n: int, p: float) -> Tensor:
        """Draw the elements to drop, each independently with probability `p`.

        Args:
            n: Number of elements.
            p: Dropout rate, in (0, 1).

        Returns:
            Indices in 0..n-1 in ascending order, `(P,)` int64.
        """
        if p not in self._drops:
            self._drops[p] = _Drops(self._random, p)
        return torch.from_numpy(self._drops[p].take(n))

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the stream, as numbers, texts and tensors."""
        state: Any = self._random.bit_generator.state
        return {
            "random": {**state, "state": {"state": state["state"]["state"].tolist()}},
            "drops": {p: drops.position() for p, drops in self._drops.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue the stream from a position that `state_dict` returned."""
        words = np.array(state["random"]["state"]["state"], np.uint64)
        self._random.bit_generator.state = {**state["random"], "state": {"state": words}}
        self._drops = {p: _Drops(self._random, p, *at) for p, at in state["drops"].items()}


class _Drops:
    """Drops of one rate in an endless sequence of elements, of which every mask takes the next.

    Many are drawn at a time, because a call takes as long as thousands of draws.
    """

    def __init__(
        self, random: np.random.Generator, p: float, start: int = 0, positions: Tensor | None = None
    ):
        self._random, self._p = random, p
        self._start = start  # next element to take
        # at least one before it, and all that are drawn after it
        self._positions = np.array([-1]) if positions is None else positions.numpy()

    def position(self) -> tuple[int, Tensor]:
        """Return the arguments `start` and `positions` that continue from here."""
        return self._start, torch.from_numpy(self._positions)

    def take(self, n: int) -> np.ndarray:
        """Return the indices of the drops among the next `n` elements."""
        start, end = self._start, self._start + n
        while self._positions[-1] < end - 1:
            self._draw(max(DRAWS, int(n * self._p)))
        first, last = self._positions.searchsorted((start, end))
        self._start = end
        indices: np.ndarray = self._positions[first:last] - start
        return indices

    def _draw(self, count: int) -> None:
        # P(gap >= k) = (1-p)^k = P(1-U <= (1-p)^k) for a uniform U in [0, 1)
        gaps = torch.from_numpy(self._random.random(count, dtype=np.float32))
        gaps = gaps.neg_().log1p_().div_(math.log1p(-self._p)).to(torch.int32).add_(1)
        rest = self._positions[self._positions.searchsorted(self._start) - 1 :]
        positions = gaps.cumsum(0).add_(int(rest[-1])).numpy()
        self._positions = np.concatenate([rest, positions])


def dropout(x: Tensor, p: float, masks: DropoutMasks) -> Tensor:
    """Apply dropout to a tensor of any shape.

    Args:
        x: Input.
        p: Dropout rate; 0 returns `x` itself.
        masks: Source of the masks on a CPU; a GPU uses torch's dropout and global generator.

    Example:
        >>> dropout(torch.ones(6), p=0.5, masks=DropoutMasks(seed=1))
        tensor([0., 2., 2., 2., 2., 2.])
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
