"""Buckets of rows padded to multiples of 16, head by head."""

import pytest
import torch

from stablebert.packed.buckets import Buckets

LENGTHS, HEADS, SIZE = (33, 20, 17, 16, 2), 2, 3
TOKENS = sum(LENGTHS)


@pytest.fixture(params=[False, True], ids=["all queries", "first queries"])
def buckets(request):
    return Buckets(
        LENGTHS, heads=HEADS, head_size=SIZE, dtype=torch.float64, first_only=request.param
    )


@pytest.fixture
def tokens():
    return torch.randn(TOKENS, HEADS * SIZE)


def key_parts(buckets, x):
    return [part for (part,) in buckets.split(weights=[], queries=[], keys=[x])]


def test_rows_are_padded_to_the_next_multiple_of_16(buckets, tokens):
    shapes = [tuple(part.shape) for part in key_parts(buckets, buckets.pad(tokens))]
    assert shapes == [(2, 48, 3), (4, 32, 3), (4, 16, 3)]


def test_a_bucket_has_the_tokens_of_its_rows_head_by_head(buckets, tokens):
    _, second, _ = key_parts(buckets, buckets.pad(tokens))
    row = tokens[33 + 20 : 33 + 20 + 17]
    assert torch.equal(second[2, :17], row[:, :SIZE])
    assert torch.equal(second[3, :17], row[:, SIZE:])


def test_padding_repeats_a_token_of_its_row(buckets, tokens):
    *_, last = key_parts(buckets, buckets.pad(tokens))
    assert torch.equal(last[2, 2:], tokens[-2, :SIZE].expand(14, SIZE))


def test_unpad_is_the_inverse_of_pad(buckets, tokens):
    assert torch.equal(buckets.unpad(buckets.pad(tokens)), tokens)


def test_unpad_queries_is_the_inverse_of_pad_queries(buckets, tokens):
    queries = tokens[: len(LENGTHS)] if buckets.first_only else tokens
    assert torch.equal(buckets.unpad_queries(buckets.pad_queries(queries)), queries)


def test_gradients_of_padding_are_zero(buckets, tokens):
    gradient = tokens[: len(LENGTHS)] if buckets.first_only else tokens
    padded = buckets.pad_gradient(gradient)
    assert torch.equal(buckets.unpad_queries(padded), gradient)
    assert padded.sum().item() == pytest.approx(gradient.sum().item(), abs=1e-4)
    assert padded.count_nonzero() == gradient.numel()


def test_biases_are_minus_infinity_for_padding_alone(buckets):
    biases = [row for bias in buckets.biases for row in bias[:, 0]]
    ends = [n for n in LENGTHS for _ in range(HEADS)]
    for bias, end in zip(biases, ends, strict=True):
        assert bias.tolist() == [0.0] * end + [-torch.inf] * (len(bias) - end)
        assert bias.dtype == torch.float64


def test_the_parts_of_weights_cover_all_of_them(buckets):
    weights = torch.arange(buckets.size)
    parts = [part for (part,) in buckets.split(weights=[weights], queries=[], keys=[])]
    assert torch.equal(torch.cat([part.flatten() for part in parts]), weights)
    queries = [1, 1, 1] if buckets.first_only else [48, 32, 16]
    assert [part.shape[1] for part in parts] == queries


def test_a_tensor_that_starts_inside_another_one_is_split_where_it_starts(buckets, tokens):
    padded = buckets.pad(tokens)
    inside = torch.cat([torch.zeros(5, SIZE), padded])[5:]
    for part, expected in zip(key_parts(buckets, inside), key_parts(buckets, padded), strict=True):
        assert torch.equal(part, expected)
