"""Attention over packed rows: against its definition, its derivatives and its dropout."""

import pytest
import torch

from stablebert.packed.attention import _padded_attention, attention_kernels, packed_attention
from stablebert.packed.dropout import DropoutMasks
from tests.helpers.packing import packed_and_padded

HIDDEN, HEADS = 12, 3


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


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("path", ["on a CPU", "on a GPU"])
def test_attention_equals_its_definition(path, first_only):
    """The path for a GPU runs on a CPU too."""
    batch, _, _ = packed_and_padded()
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
def test_gradients_of_attention_are_its_derivatives(first_only, p):
    batch, _, _ = packed_and_padded([3, 5, 3, 2, 3])
    q, k, v = torch.randn(3, len(batch.input_ids), 4, dtype=torch.float64)
    q = q[batch.starts] if first_only else q

    def attend(q, k, v):
        masks = RepeatedMasks()
        return packed_attention(q, k, v, batch, heads=2, p=p, masks=masks, first_only=first_only)

    assert torch.autograd.gradcheck(attend, [x.clone().requires_grad_() for x in (q, k, v)])


def test_attention_drops_weights_and_keeps_their_mean():
    """With all values 1, an output is the scaled sum of the kept weights: 1 on average."""
    batch, _, _ = packed_and_padded([40] * 20)
    q, k = torch.randn(2, 800, 8)
    out = packed_attention(q, k, torch.ones(800, 8), batch, heads=2, p=0.1, masks=DropoutMasks(3))
    assert out.std() > 0.01
    assert out.mean().item() == pytest.approx(1, abs=5 * out.std().item() / 1600**0.5)


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
