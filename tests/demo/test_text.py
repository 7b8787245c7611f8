"""The unlabeled text that the demo's BERT is pre-trained on."""

from itertools import islice

import pytest

from stablebert.demo.text import text_pairs


@pytest.fixture(scope="module")
def first_pairs():
    return list(islice(text_pairs("a"), 50))


def test_same_seed_gives_the_same_text(first_pairs):
    assert list(islice(text_pairs("a"), 50)) == first_pairs


def test_another_seed_gives_other_text(first_pairs):
    assert list(islice(text_pairs("b"), 50)) != first_pairs
