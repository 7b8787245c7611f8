"""Packing of rows into a batch without padding."""

import numpy as np
import pytest
import torch

from stablebert.packed.batch import pack_rows


@pytest.fixture
def batch():
    rows = [np.array([1, 2]), np.array([3, 4, 5]), np.array([6]), np.array([7, 8])]
    return pack_rows(rows, [row * 0 for row in rows], np.array([0, 1, 2, 3]))


def test_the_longest_row_comes_first_and_ties_keep_their_order(batch):
    assert batch.input_ids.tolist() == [3, 4, 5, 1, 2, 7, 8, 6]


def test_positions_start_at_zero_in_every_row(batch):
    assert batch.position_ids.tolist() == [0, 1, 2, 0, 1, 0, 1, 0]


def test_starts_are_the_indices_of_first_tokens(batch):
    assert batch.starts.tolist() == [0, 3, 5, 7]


def test_labels_and_lengths_follow_the_order_of_the_rows(batch):
    assert (batch.labels.tolist(), batch.lengths) == ([1, 0, 3, 2], (3, 2, 2, 1))


def test_buckets_are_built_once_per_batch_and_kind(batch):
    kind = {"heads": 2, "head_size": 4, "dtype": torch.float32}
    buckets = batch.buckets(**kind, first_only=False)
    assert batch.buckets(**kind, first_only=False) is buckets
    assert batch.buckets(**kind, first_only=True) is not buckets


def test_mask_and_indices_describe_the_padded_batch(batch):
    assert batch.attention_mask.int().tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert batch.padded_indices.tolist() == [0, 1, 2, 3, 4, 6, 7, 9]


def test_a_move_to_a_device_keeps_the_lengths(batch):
    assert batch.to("cpu").lengths == batch.lengths


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_bias_of_attention_is_minus_infinity_for_padding(batch, dtype):
    bias = batch.attention_bias(dtype)
    assert (bias.shape, bias.dtype) == ((4, 1, 1, 3), dtype)
    assert torch.equal(bias[:, 0, 0] == 0, batch.attention_mask)
    assert torch.equal(bias[:, 0, 0] == -torch.inf, ~batch.attention_mask)


def test_the_bias_of_attention_is_converted_once_per_batch_and_type(batch):
    bias = batch.attention_bias(torch.float32)
    assert batch.attention_bias(torch.float32) is bias
    assert batch.attention_bias(torch.float16) is not bias


def test_rows_of_the_bias_are_aligned(batch):
    """Torch would copy others in every layer."""
    assert batch.attention_bias(torch.float32).stride(0) % 16 == 0


def test_every_tensor_of_a_batch_is_pinned(batch, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: pinned.append(x) or x.clone())
    assert batch.pin_memory().lengths == batch.lengths
    assert len(pinned) == 5
