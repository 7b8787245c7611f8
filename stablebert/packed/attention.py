"""Self-attention over a packed batch: every row attends to its own tokens."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from stablebert.packed.batch import PackedBatch, RowGroup
from stablebert.packed.dropout import DropoutMasks
from stablebert.torch_internals import softmax_backward

KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Kernels of torch's attention that a GPU may use; flash attention accepts no mask."""


def attention_kernels(device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which attention on a GPU uses one of `KERNELS`, and never cuDNN's.

    Without dropout, cuDNN's kernel comes first on Hopper. It builds a plan for every shape, which
    takes tens of milliseconds, and there are open reports of NaN (pytorch#196678).
    """
    return sdpa_kernel(KERNELS) if device.type == "cuda" else nullcontext()


def packed_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    batch: PackedBatch,
    *,
    heads: int,
    p: float,
    masks: DropoutMasks,
    first_only: bool = False,
) -> Tensor:
    """Compute dot-product attention with dropout on its weights (Vaswani et al., 2017, sec. 3.2).

    Args:
        q: Queries, `(T, H)`; with `first_only` those of the first token of every row, `(B, H)`.
        k: Keys, `(T, H)`.
        v: Values, `(T, H)`.
        batch: Rows that the tokens belong to.
        heads: Number of heads A.
        p: Dropout rate of the attention weights; 0 in evaluation.
        masks: Source of dropout on a CPU.
        first_only: Whether the queries are those of first tokens only.

    Returns:
        Mixed values, of the shape of `q`.
    """
    if q.device.type == "cpu":
        layout = _Layout(batch.groups, heads, q.shape[1], first_only)
        dropped_indices = masks.dropped_indices(layout.size, p) if p else None
        # in half precision the small products gain nothing and conversions inside them cost
        exact = torch.promote_types(q.dtype, torch.float32)
        out: Tensor = _GroupedAttention.apply(  # type: ignore[no-untyped-call]  # not typed in torch
            q.to(exact), k.to(exact), v.to(exact), layout, p, dropped_indices
        )
        return out.to(q.dtype)
    return _padded_attention(q, k, v, batch, heads=heads, p=p, first_only=first_only)


def _padded_attention(
    q: Tensor, k: Tensor, v: Tensor, batch: PackedBatch, *, heads: int, p: float, first_only: bool
) -> Tensor:
    """Pad to the longest row, only here, and use torch's fused attention."""
    longest, rows = batch.lengths[0], len(batch.lengths)

    def pad(x: Tensor) -> Tensor:
        padded = x.new_zeros(rows * longest, x.shape[1]).index_copy(0, batch.padded_indices, x)
        return padded.view(rows, longest, heads, -1).transpose(1, 2)

    queries = q.view(rows, 1, heads, -1).transpose(1, 2) if first_only else pad(q)
    bias = batch.attention_bias(q.dtype)
    output = F.scaled_dot_product_attention(queries, pad(k), pad(v), attn_mask=bias, dropout_p=p)
    output = output.transpose(1, 2).reshape(-1, q.shape[1])
    return output if first_only else output.index_select(0, batch.padded_indices)


class _GroupedAttention(torch.autograd.Function):
    """Attention by groups of rows of one length, all weights of a layer in one flat buffer.

    With weights P, those that dropout keeps K (P with zeros), s = 1 / (1-p), and output O = s K V:
    dV = s Kᵀ dO; dP = s dO Vᵀ, zero where dropped; dS = P (dP - sum(dP P)); dQ = c dS K;
    dK = c dSᵀ Q. The dropped weights are saved separately, so one buffer serves as both K and P.
    """

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        layout: "_Layout",
        p: float,
        dropped_indices: Tensor | None,
    ) -> Tensor:
        scaled_values = v * (1 / (1 - p)) if p else v
        weights = q.new_empty(layout.size)
        with torch.autocast("cpu", enabled=False):
            for group, w in layout.split(weights):
                queries, keys = layout.read(q, group, queries=True), layout.read(k, group)
                torch.baddbmm(w, queries, keys.mT, beta=0, alpha=layout.scale, out=w)
                torch.softmax(w, -1, out=w)
            dropped_weights = None
            if dropped_indices is not None:
                dropped_weights = weights.take(dropped_indices)
                weights.index_fill_(0, dropped_indices, 0)
            out = torch.empty_like(q)
            for group, w in layout.split(weights):
                outputs = torch.bmm(w, layout.read(scaled_values, group))
                layout.write(out, group, outputs, queries=True)
        ctx.save_for_backward(q, k, scaled_values, weights, dropped_weights, dropped_indices)
        ctx.layout, ctx.p = layout, p
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, scaled_values, weights, dropped_weights, dropped_indices = ctx.saved_tensors
        layout: _Layout = ctx.layout
        weights = weights.data  # changed and restored below, which autograd must not notice
        s = 1 / (1 - ctx.p)
        grad = grad.contiguous()
        dq, dk, dv = (torch.empty_like(x) for x in (q, k, scaled_values))
        dweights = torch.empty_like(weights)
        with torch.autocast("cpu", enabled=False):
            for group, w, dw in layout.split(weights, dweights):
                g = layout.read(grad, group, queries=True)
                layout.write(dv, group, torch.bmm(w.mT, g))
                torch.bmm(g, layout.read(scaled_values, group).mT, out=dw)
            if s != 1:
                dv.mul_(s)
            if dropped_indices is not None:
                weights.index_copy_(0, dropped_indices, dropped_weights)
                dweights.index_fill_(0, dropped_indices, 0)
            for group, w, dw in layout.split(weights, dweights):
                ds = softmax_backward(dw, w)
                layout.write(dq, group, torch.bmm(ds, layout.read(k, group)), queries=True)
                layout.write(dk, group, torch.bmm(ds.mT, layout.read(q, group, queries=True)))
            dq.mul_(layout.scale)
            dk.mul_(layout.scale)
            if dropped_indices is not None:
                weights.index_fill_(0, dropped_indices, 0)
        return dq, dk, dv, None, None, None


class _Layout:
    """Positions of a group's rows in `(T, H)`, in `(B, H)` and in the flat buffer of weights."""

    def __init__(self, groups: list[RowGroup], heads: int, hidden: int, first_only: bool):
        self.groups, self.heads, self.first_only = groups, heads, first_only
        self.head_size = hidden // heads
        self.scale = self.head_size**-0.5
        self.size = sum(g.rows * heads * self._queries_per_row(g) * g.length for g in groups)

    def split(self, *buffers: Tensor) -> Iterator[Any]:
        """Yield each group with its part of each flat buffer, `(rows * A, queries, keys)`."""
        start = 0
        for group in self.groups:
            shape = (group.rows * self.heads, self._queries_per_row(group), group.length)
            end = start + shape[0] * shape[1] * shape[2]
            yield group, *(buffer[start:end].view(shape) for buffer in buffers)
            start = end

    def read(self, x: Tensor, group: RowGroup, *, queries: bool = False) -> Tensor:
        """Return a group's rows, `(rows * A, tokens, D)`: a view of a single row, else a copy."""
        part = self._slice(x, group, queries)
        return part[0] if group.rows == 1 else part.reshape(-1, *part.shape[2:])

    def write(self, x: Tensor, group: RowGroup, value: Tensor, *, queries: bool = False) -> None:
        """Write a group's rows where `read` reads them."""
        part = self._slice(x, group, queries)
        part.copy_(value.view(part.shape))

    def _slice(self, x: Tensor, group: RowGroup, queries: bool) -> Tensor:
        """Return a group's rows as a view, `(rows, A, tokens, D)`."""
        if queries and self.first_only:
            part = x[group.first_row : group.first_row + group.rows].unsqueeze(1)
        else:
            part = x[group.first_token : group.first_token + group.rows * group.length]
            part = part.view(group.rows, group.length, -1)
        by_head = part.view(*part.shape[:2], self.heads, self.head_size)
        return by_head.transpose(1, 2)

    def _queries_per_row(self, group: RowGroup) -> int:
        return 1 if self.first_only else group.length
