"""Operations of a step, and the batches they are counted on."""

import numpy as np

from benchmarks import roofline


def test_operations_of_a_step_equal_those_counted_by_hand():
    """Hidden size 2, intermediate size 4, one layer: 4 * 4 + 2 * 8 = 32 weights."""
    batches = [np.array([1, 3]), np.array([2, 2])]
    operations = roofline.step_operations(batches, layers=1, hidden=2, intermediate=4)
    assert operations == 6 * 32 * 4 + 12 * 1 * 2 * (1 + 9 + 4 + 4) / 2


def test_batches_follow_the_order_over_epochs():
    lengths = np.arange(1, 6)
    batches = roofline.batch_lengths(lengths, seed=0, batch_size=2, first=1, count=4)
    assert [len(batch) for batch in batches] == [2, 1, 2, 2]


def test_products_of_a_step_have_the_operations_of_the_formula():
    """For one layer, without attention: 6 operations per weight and token."""
    products = roofline.step_products({"hidden_size": 2, "intermediate_size": 4}, tokens=3)
    assert sum(2 * m * k * n for m, k, n in products) == 6 * 32 * 3
