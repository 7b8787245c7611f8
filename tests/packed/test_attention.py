"""Attention over packed rows: against its definition, its derivatives and its dropout."""

import numpy as np
import pytest
import torch
from scipy import stats

from stablebert.packed.attention import (
    _padded_attention,
    _product_type,
    attention_kernels,
    packed_attention,
)
from stablebert.packed.dropout import DropoutMasks
from tests.helpers.packing import LENGTHS, packed_and_padded

HIDDEN, HEADS = 12, 3
MIXTURES = {
    "a mixture": LENGTHS,
    "one short row": [1],
    "rows of one length": [7] * 4,
    "lengths around the edges of buckets": [15, 16, 17, 31, 32, 33],
}


class RepeatedMasks(DropoutMasks):
    """The same masks at every call, so that a gradient can be checked by differences."""

    def __init__(self):
        pass

    def dropped_indices(self, n, p):
        return DropoutMasks(7).dropped_indices(n, p)


def attention_by_definition(q, k, v, batch, first_only):
    """Return softmax(q kᵀ / √D) v, row by row."""
    rows = []
    for i, (start, n) in enumerate(zip(batch.starts.tolist(), batch.lengths, strict=True)):
        queries = q[i : i + 1] if first_only else q[start : start + n]
        keys, values = (x[start : start + n].view(n, HEADS, -1) for x in (k, v))
        scores = torch.einsum("ihd,jhd->hij", queries.view(-1, HEADS, 4), keys) / 4**0.5
        mixed = torch.einsum("hij,jhd->ihd", scores.softmax(-1), values)
        rows.append(mixed.reshape(-1, HIDDEN))
    return torch.cat(rows)


@pytest.mark.parametrize("lengths", MIXTURES.values(), ids=MIXTURES)
@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("path", ["on a CPU", "on a GPU"])
def test_attention_equals_its_definition(path, first_only, lengths):
    """The path for a GPU runs on a CPU too."""
    batch, _, _ = packed_and_padded(lengths)
    q, k, v = torch.randn(3, len(batch.input_ids), HIDDEN, dtype=torch.float64)
    q = q[batch.starts] if first_only else q
    if path == "on a CPU":
        masks = DropoutMasks(0)
        out = packed_attention(
            q, k, v, batch, heads=HEADS, p=0.0, masks=masks, first_only=first_only
        )
    else:
        out = _padded_attention(q, k, v, batch, heads=HEADS, p=0.0, first_only=first_only)
    torch.testing.assert_close(out, attention_by_definition(q, k, v, batch, first_only))


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize("lengths", [[3, 5, 3, 2, 3], [17, 16, 2]], ids=str)
def test_gradients_of_attention_are_its_derivatives(first_only, p, lengths):
    batch, _, _ = packed_and_padded(lengths)
    q, k, v = torch.randn(3, len(batch.input_ids), 4, dtype=torch.float64)
    q = q[batch.starts] if first_only else q

    def attend(q, k, v):
        masks = RepeatedMasks()
        return packed_attention(q, k, v, batch, heads=2, p=p, masks=masks, first_only=first_only)

    assert torch.autograd.gradcheck(attend, [x.clone().requires_grad_() for x in (q, k, v)])


@pytest.mark.parametrize(
    ("dtype", "lengths", "expected"),
    [
        (torch.bfloat16, [64, 32], torch.bfloat16),
        (torch.bfloat16, [64, 31], torch.float32),
        (torch.float16, [64, 64], torch.float32),
        (torch.float32, [64, 64], torch.float32),
        (torch.float64, [64, 64], torch.float64),
    ],
)
def test_only_long_rows_are_attended_in_bf16(dtype, lengths, expected):
    batch, _, _ = packed_and_padded(lengths)
    assert _product_type(dtype, batch) == expected


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_attention_in_bf16_equals_that_in_fp32(first_only, p):
    batch, _, _ = packed_and_padded([60, 50, 50, 41])
    tokens = len(batch.input_ids)
    inputs = [torch.randn(tokens, HIDDEN).bfloat16() for _ in "qkv"]
    inputs[0] = inputs[0][batch.starts] if first_only else inputs[0]
    results = []
    for dtype in (torch.bfloat16, torch.float32):
        q, k, v = (x.detach().to(dtype).requires_grad_() for x in inputs)
        out = packed_attention(
            q, k, v, batch, heads=HEADS, p=p, masks=RepeatedMasks(), first_only=first_only
        )
        out.sin().sum().backward()
        results.append([x.detach().float() for x in (out, q.grad, k.grad, v.grad)])
    for low, exact in zip(*results, strict=True):
        torch.testing.assert_close(low, exact, rtol=0, atol=0.03 * exact.abs().max().item())


def test_attention_drops_weights_and_keeps_their_mean():
    """With all values 1, an output is the scaled sum of the kept weights: 1 on average."""
    batch, _, _ = packed_and_padded([40] * 20)
    q, k = torch.randn(2, 800, 8)
    out = packed_attention(q, k, torch.ones(800, 8), batch, heads=2, p=0.1, masks=DropoutMasks(3))
    assert out.std() > 0.01
    assert out.mean().item() == pytest.approx(1, abs=5 * out.std().item() / 1600**0.5)


@pytest.mark.parametrize("first_only", [False, True])
def test_a_row_of_nan_reaches_no_other_row(first_only):
    """Padding repeats tokens of its own row, and its weights are zero."""
    batch, _, _ = packed_and_padded([18, 16, 5, 3])
    q, k, v = torch.randn(3, len(batch.input_ids), HIDDEN)
    row = slice(batch.starts[1], batch.starts[2])
    q[row] = k[row] = v[row] = torch.nan
    q, row_of_queries = (q[batch.starts], slice(1, 2)) if first_only else (q, row)
    inputs = [x.requires_grad_() for x in (q, k, v)]
    out = packed_attention(
        *inputs, batch, heads=HEADS, p=0.1, masks=DropoutMasks(0), first_only=first_only
    )
    out.sum().backward()
    rows = (row_of_queries, row_of_queries, row, row)
    for x, part in zip((out, *(x.grad for x in inputs)), rows, strict=True):
        assert x[part].isnan().any()
        assert torch.cat([x[: part.start], x[part.stop :]]).isfinite().all()


@pytest.fixture(scope="module")
def dropped_weights():
    """The rate, and for two lengths which of their rows' weights are dropped, `(n, A, S, S)`.

    Without scores all weights of a row are equal, and unit vectors as values show each of them.
    """
    p, heads, rows = 0.2, 2, 400
    batch, _, _ = packed_and_padded([5, 18] * rows)
    values = torch.nn.functional.one_hot(batch.position_ids, 18).float().repeat(1, heads)
    scores, masks = torch.zeros_like(values), DropoutMasks(5)
    out = packed_attention(scores, scores, values, batch, heads=heads, p=p, masks=masks)
    parts = zip(out.split([18 * rows, 5 * rows]), (18, 5), strict=True)
    shown = [x.view(rows, n, heads, 18).transpose(1, 2)[..., :n] for x, n in parts]
    for x in shown:
        assert x.max().item() == pytest.approx(1 / x.shape[-1] / (1 - p))
    return p, [(x == 0).numpy() for x in shown]


def test_every_weight_is_dropped_equally_often(dropped_weights):
    p, parts = dropped_weights
    for dropped in parts:
        n = len(dropped)
        statistic = ((dropped.sum(0) - n * p) ** 2).sum() / (n * p * (1 - p))
        assert 1e-5 < stats.chi2.sf(statistic, dropped[0].size) < 1 - 1e-5


@pytest.mark.parametrize("axis", [0, 1, 2, 3], ids=["rows", "heads", "queries", "keys"])
def test_weights_are_dropped_independently(dropped_weights, axis):
    p, parts = dropped_weights
    for dropped in parts:
        x = np.moveaxis(dropped, axis, 0)
        both = x[:-1] & x[1:]
        assert abs(both.sum() - both.size * p * p) < 5 * (both.size * p * p * 1.5) ** 0.5


def enabled_kernels():
    cuda = torch.backends.cuda
    return (
        *(cuda.cudnn_sdp_enabled(), cuda.flash_sdp_enabled()),
        *(cuda.mem_efficient_sdp_enabled(), cuda.math_sdp_enabled()),
    )


def test_a_gpu_uses_every_kernel_but_that_of_cudnn():
    """It needs a plan per shape, and there are open reports of NaN."""
    before = enabled_kernels()
    with attention_kernels(torch.device("cuda")):
        assert enabled_kernels() == (False, True, True, True)
    assert enabled_kernels() == before


def test_on_a_cpu_the_choice_of_kernels_stays():
    before = enabled_kernels()
    with attention_kernels(torch.device("cpu")):
        assert enabled_kernels() == before
