"""Self-attention over a packed batch: every row attends to its own tokens."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from stablebert.packed.batch import PackedBatch
from stablebert.packed.buckets import Buckets
from stablebert.packed.dropout import DropoutMasks
from stablebert.torch_internals import softmax_backward

KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Kernels of torch's attention that a GPU may use; flash attention accepts no mask."""

BF16_FROM = 48
"""Mean number of tokens per row from which attention on a CPU is faster in bf16 than in fp32."""


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
        dtype = _product_type(q.dtype, batch)
        buckets = batch.buckets(
            heads=heads, head_size=q.shape[1] // heads, dtype=dtype, first_only=first_only
        )
        dropped = masks.dropped_indices(buckets.size, p) if p else None
        out: Tensor = _BucketAttention.apply(  # type: ignore[no-untyped-call]  # not typed in torch
            q.to(dtype), k.to(dtype), v.to(dtype), buckets, p, dropped
        )
        return out.to(q.dtype)
    return _padded_attention(q, k, v, batch, heads=heads, p=p, first_only=first_only)


def _product_type(dtype: torch.dtype, batch: PackedBatch) -> torch.dtype:
    """Return the type in which a CPU computes attention: bf16 only for long rows, else fp32.

    Products over few tokens gain nothing in bf16, and oneDNN builds kernels for them.
    """
    if dtype == torch.bfloat16 and len(batch.input_ids) >= BF16_FROM * len(batch.lengths):
        return dtype
    return torch.promote_types(dtype, torch.float32)


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


class _BucketAttention(torch.autograd.Function):
    """Attention by buckets of rows of one padded length, all weights of a layer in one flat buffer.

    With weights P, those that dropout keeps K (P with zeros), s = 1 / (1-p), c = 1 / √D, and output
    O = s K V: dV = s Kᵀ dO; dP = s dO Vᵀ, zero where dropped; dS = P (dP - sum(dP P)); dQ = c dS K;
    dK = c dSᵀ Q. P is zero for keys that are padding, and dO for queries that are padding, so no
    sum includes padding. K is computed twice: that takes less time than keeping it takes memory.
    """

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        buckets: Buckets,
        p: float,
        dropped: Tensor | None,
    ) -> Tensor:
        c, s = buckets.head_size**-0.5, 1 / (1 - p)
        q, k, v = buckets.pad_queries(q), buckets.pad(k), buckets.pad(v)
        weights, outputs = q.new_empty(buckets.size), torch.empty_like(q)
        with torch.autocast("cpu", enabled=False):
            parts = buckets.split(weights=[weights], queries=[q], keys=[k])
            for bias, (w, query, key) in zip(buckets.biases, parts, strict=True):
                torch.baddbmm(bias, query, key.mT, alpha=c, out=w)
                torch.softmax(w, -1, out=w)
            kept = _drop(weights, dropped)
            for w, out, value in buckets.split(weights=[kept], queries=[outputs], keys=[v]):
                torch.baddbmm(out, w, value, beta=0, alpha=s, out=out)
        ctx.save_for_backward(q, k, v, weights, dropped)
        ctx.buckets, ctx.c, ctx.s = buckets, c, s
        return buckets.unpad_queries(outputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, weights, dropped = ctx.saved_tensors
        buckets, c, s = ctx.buckets, ctx.c, ctx.s
        grad = buckets.pad_gradient(grad)
        dq, dk, dv, dweights = (torch.empty_like(x) for x in (q, k, v, weights))
        with torch.autocast("cpu", enabled=False):
            both = [_drop(weights, dropped), dweights]
            for w, dw, out, value, dvalue in buckets.split(
                weights=both, queries=[grad], keys=[v, dv]
            ):
                torch.baddbmm(dvalue, w.mT, out, beta=0, alpha=s, out=dvalue)
                torch.baddbmm(dw, out, value.mT, beta=0, alpha=s, out=dw)
            if dropped is not None:
                dweights.index_fill_(0, dropped, 0)
            for w, dw, query, dquery, key, dkey in buckets.split(
                weights=[weights, dweights], queries=[q, dq], keys=[k, dk]
            ):
                ds = softmax_backward(dw, w)
                torch.baddbmm(dquery, ds, key, beta=0, alpha=c, out=dquery)
                torch.baddbmm(dkey, ds.mT, query, beta=0, alpha=c, out=dkey)
        return buckets.unpad_queries(dq), buckets.unpad(dk), buckets.unpad(dv), None, None, None


def _drop(weights: Tensor, dropped: Tensor | None) -> Tensor:
    """Return the weights with zeros where they are dropped."""
    return weights if dropped is None else weights.clone().index_fill_(0, dropped, 0)
