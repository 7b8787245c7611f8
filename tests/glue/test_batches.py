"""Rows, their order and padding, on hand-written arrays."""

import numpy as np
import pytest
import torch

from stablebert.glue.batches import Examples, Permutations, pad
from stablebert.glue.token_cache import TokenArrays


@pytest.fixture
def arrays():
    """Rows (1, 2), (3), (4, 5, 6), (7, 8) with segments and labels."""
    return TokenArrays(
        input_ids=np.array([1, 2, 3, 4, 5, 6, 7, 8], np.int32),
        token_type_ids=np.array([0, 1, 0, 0, 0, 1, 0, 1], np.int8),
        offsets=np.array([0, 2, 3, 6, 8]),
        labels=np.array([10, 11, 12, 13]),
    )


@pytest.fixture
def examples(arrays):
    """Rows 3, 1 and 2, in this order."""
    return Examples(arrays, np.array([3, 1, 2]))


def plain(example):
    return {key: value.tolist() for key, value in example.items()}


def test_an_example_is_the_row_at_its_place(examples):
    assert plain(examples[2]) == {
        "input_ids": [4, 5, 6],
        "token_type_ids": [0, 0, 1],
        "labels": 12,
    }


def test_lengths_are_those_of_the_rows(examples):
    assert examples.lengths().tolist() == [2, 1, 3]


def test_labels_are_those_of_the_rows(examples):
    assert examples.labels().tolist() == [13, 11, 12]


def test_number_of_examples_is_that_of_the_rows(examples):
    assert len(examples) == 3


def test_vocabulary_leaves_out_other_rows(examples):
    vocabulary = examples.vocabulary()
    assert vocabulary.tolist() == [3, 4, 5, 6, 7, 8]
    assert vocabulary.dtype == np.int64


def test_sorted_rows_are_the_longest_first_and_equal_ones_keep_their_order(arrays):
    examples = Examples(arrays, np.array([3, 1, 0, 2]))
    examples.sort_by_length()
    assert examples.rows.tolist() == [2, 3, 0, 1]


def padding(side, ids=9, types=0):
    return {"input_ids": ids, "token_type_ids": types, "side": side, "rows": {}}


PADDED = {
    "right": ([[7, 8, 9], [3, 9, 9], [4, 5, 6]], [[1, 1, 0], [1, 0, 0], [1, 1, 1]]),
    "left": ([[9, 7, 8], [9, 9, 3], [4, 5, 6]], [[0, 1, 1], [0, 0, 1], [1, 1, 1]]),
}


@pytest.mark.parametrize("side", PADDED)
def test_rows_are_padded_on_one_side(examples, side):
    batch = pad([examples[i] for i in range(3)], padding(side))
    ids, mask = PADDED[side]
    assert batch["input_ids"].tolist() == ids
    assert batch["attention_mask"].tolist() == mask


def test_segments_are_padded_with_that_of_the_padding_token(examples):
    batch = pad([examples[1], examples[0]], padding("right", types=4))
    assert batch["token_type_ids"].tolist() == [[0, 4], [0, 1]]


def test_labels_of_a_batch_are_in_its_order(examples):
    assert pad([examples[2], examples[0]], padding("right"))["labels"].tolist() == [12, 13]


def test_scores_of_a_regression_stay_float32(arrays):
    scores = TokenArrays(
        arrays.input_ids,
        arrays.token_type_ids,
        arrays.offsets,
        np.array([0.5, 1.5, 2.5, 3.5], np.float32),
    )
    batch = pad([Examples(scores, np.arange(4))[2]], padding("right"))
    assert batch["labels"].dtype == torch.float32


def test_every_epoch_is_a_permutation():
    sampler = Permutations(5, seed=0)
    assert len(sampler) == 5
    assert [sorted(sampler) for _ in range(3)] == [[0, 1, 2, 3, 4]] * 3


def test_an_epoch_read_to_its_end_or_not_is_followed_by_the_same_one():
    """torch's RandomSampler draws one more number at its end."""
    whole, part = Permutations(5, seed=0), Permutations(5, seed=0)
    list(whole)
    next(iter(part))
    assert list(whole) == list(part)


@pytest.mark.parametrize("taken", [0, 1, 4, 5, 6, 10, 12])
def test_an_order_continues_from_its_state(taken):
    whole, order, resumed = (Permutations(5, seed=3) for _ in range(3))
    rows = (row for _ in range(4) for row in order)
    earlier = [next(rows) for _ in range(taken)]
    resumed.load_state_dict(order.state_dict())
    later = [row for _ in range(4) for row in resumed]
    assert [*earlier, *later][:20] == [row for _ in range(4) for row in whole]
