"""Self-attention over the rows of a packed batch, each row within itself."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from stablebert.packed.batch import Group, PackedBatch
from stablebert.packed.dropout import DropoutMasks


def packed_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    batch: PackedBatch,
    *,
    heads: int,
    p: float,
    masks: DropoutMasks,
    first: bool = False,
) -> Tensor:
    """Scaled dot-product attention with dropout on its weights (Vaswani et al., 2017, sec. 3.2).

    Args:
        q: queries, `(T, H)`; with `first`, those of every row's first token, `(B, H)`.
        k: keys, `(T, H)`.
        v: values, `(T, H)`.
        batch: whose rows these are.
        heads: number of heads that H is divided into.
        p: dropout rate of the attention weights; 0 in evaluation.
        masks: where dropout comes from on a CPU.
        first: whether only the first token of every row asks.

    Returns:
        Same shape as `q`.
    """
    if q.device.type == "cpu":
        parts = _Parts(batch.groups, heads, q.shape[1], first)
        dropped = masks.dropped_indices(parts.size, p) if p else None
        # in half precision the small products gain nothing and conversions inside them cost
        exact = torch.promote_types(q.dtype, torch.float32)
        out = _RowByRow.apply(q.to(exact), k.to(exact), v.to(exact), parts, p, dropped)
        return out.to(q.dtype)
    return _padded(q, k, v, batch, heads=heads, p=p, first=first)


def _padded(
    q: Tensor, k: Tensor, v: Tensor, batch: PackedBatch, *, heads: int, p: float, first: bool
) -> Tensor:
    """Through torch's fused attention, padded to the longest row, inside attention only."""
    longest, rows = batch.lengths[0], len(batch.lengths)

    def pad(x: Tensor) -> Tensor:
        spread = x.new_zeros(rows * longest, x.shape[1]).index_copy(0, batch.places, x)
        return spread.view(rows, longest, heads, -1).transpose(1, 2)

    queries = q.view(rows, 1, heads, -1).transpose(1, 2) if first else pad(q)
    out = F.scaled_dot_product_attention(
        queries, pad(k), pad(v), attn_mask=batch.real[:, None, None], dropout_p=p
    )
    out = out.transpose(1, 2).reshape(-1, q.shape[1])
    return out if first else out.index_select(0, batch.places)


class _RowByRow(torch.autograd.Function):
    """The rows of one length together, nothing padded, all weights of a layer in one flat buffer.

    With weights P, kept ones K = P without the dropped, s = 1 / (1-p), output O = s K V:
    dV = s K' dO; dP = s dO V' without the dropped; dS = P (dP - sum(dP P)); dQ = c dS K;
    dK = c dS' Q. The dropped weights are kept aside, so that one buffer serves as K and as P.
    """

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        parts: "_Parts",
        p: float,
        dropped: Tensor | None,
    ) -> Tensor:
        scaled = v * (1 / (1 - p)) if p else v
        weights = q.new_empty(parts.size)
        with torch.autocast("cpu", enabled=False):
            for group, w in parts.of(weights):
                queries, keys = parts.rows(q, group, asking=True), parts.rows(k, group)
                torch.baddbmm(w, queries, keys.mT, beta=0, alpha=parts.scale, out=w)
                torch.softmax(w, -1, out=w)
            aside = None
            if dropped is not None:
                aside = weights.take(dropped)
                weights.index_fill_(0, dropped, 0)
            out = torch.empty_like(q)
            for group, w in parts.of(weights):
                parts.put(out, group, torch.bmm(w, parts.rows(scaled, group)), asking=True)
        ctx.save_for_backward(q, k, scaled, weights, aside, dropped)
        ctx.parts, ctx.p = parts, p
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, scaled, weights, aside, dropped = ctx.saved_tensors
        parts: _Parts = ctx.parts
        weights = weights.data  # changed below and changed back: not a change for autograd
        s = 1 / (1 - ctx.p)
        grad = grad.contiguous()
        dq, dk, dv = (torch.empty_like(x) for x in (q, k, scaled))
        dweights = torch.empty_like(weights)
        with torch.autocast("cpu", enabled=False):
            for group, w, dw in parts.of(weights, dweights):
                g = parts.rows(grad, group, asking=True)
                parts.put(dv, group, torch.bmm(w.mT, g))
                torch.bmm(g, parts.rows(scaled, group).mT, out=dw)
            if s != 1:
                dv.mul_(s)
            if dropped is not None:
                weights.index_copy_(0, dropped, aside)
                dweights.index_fill_(0, dropped, 0)
            for group, w, dw in parts.of(weights, dweights):
                ds = torch._softmax_backward_data(dw, w, -1, w.dtype)
                parts.put(dq, group, torch.bmm(ds, parts.rows(k, group)), asking=True)
                parts.put(dk, group, torch.bmm(ds.mT, parts.rows(q, group, asking=True)))
            dq.mul_(parts.scale)
            dk.mul_(parts.scale)
            if dropped is not None:
                weights.index_fill_(0, dropped, 0)
        return dq, dk, dv, None, None, None


class _Parts:
    """Where the rows of a group lie in `(T, H)`, in `(B, H)` and in the buffer of weights."""

    def __init__(self, groups: list[Group], heads: int, width: int, first: bool):
        self.groups, self.heads, self.first = groups, heads, first
        self.depth = width // heads
        self.scale = self.depth**-0.5
        self.size = sum(g.rows * heads * self._asking(g) * g.length for g in groups)

    def _asking(self, group: Group) -> int:
        return 1 if self.first else group.length

    def of(self, *buffers: Tensor) -> Iterator[Any]:
        """Each group with its part of flat buffers: `(rows * heads, queries, keys)`."""
        at = 0
        for group in self.groups:
            shape = (group.rows * self.heads, self._asking(group), group.length)
            end = at + shape[0] * shape[1] * shape[2]
            yield group, *(buffer[at:end].view(shape) for buffer in buffers)
            at = end

    def rows(self, x: Tensor, group: Group, *, asking: bool = False) -> Tensor:
        """A group's rows, `(rows * heads, length, depth)`; of one row a view, else a copy."""
        part = self._slice(x, group, asking)
        return part[0] if group.rows == 1 else part.reshape(-1, *part.shape[2:])

    def put(self, x: Tensor, group: Group, value: Tensor, *, asking: bool = False) -> None:
        """Write what `rows` reads."""
        part = self._slice(x, group, asking)
        part.copy_(value.view(part.shape))

    def _slice(self, x: Tensor, group: Group, asking: bool) -> Tensor:
        """`(rows, heads, length, depth)`, a view."""
        if asking and self.first:
            part = x[group.row : group.row + group.rows].unsqueeze(1)
        else:
            part = x[group.token : group.token + group.rows * group.length]
            part = part.view(group.rows, group.length, -1)
        return part.unflatten(2, (self.heads, self.depth)).transpose(1, 2)
