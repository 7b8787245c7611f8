"""Random streams: independent of each other and of the seed's size."""

import pytest
import torch

from stablebert.seeds import stream_generator, stream_seed


def test_seed_zero_is_a_seed():
    """`if seed:` would ignore it (docs/pitfalls.md, 12)."""
    assert stream_seed(0, "head") != stream_seed(1, "head")


@pytest.mark.parametrize("purpose", ["reinit", "order", "dropout"])
def test_purposes_have_streams_of_their_own(purpose):
    assert stream_seed(0, purpose) != stream_seed(0, "head")


def test_a_stream_repeats_its_draws():
    first, second = (torch.rand(3, generator=stream_generator(7, "head")) for _ in range(2))
    assert torch.equal(first, second)
