"""Losses and counts of rows against values computed by hand."""

from math import inf, log, nan

import numpy as np
import pytest

from stablebert.report.show.rows import (
    bin_edges,
    bin_scores,
    count_pairs,
    hardest_rows,
    predict,
    row_losses,
)
from tests.helpers.predicted_runs import make_part


def test_the_loss_of_a_class_is_the_negative_logarithm_of_its_probability():
    # probabilities 1/4 and 3/4; then 1/3 for each of three classes
    two = make_part([[0, log(3)], [0, log(3)]], labels=[0, 1])
    three = make_part([[5, 5, 5]], labels=[2])
    assert row_losses(two) == pytest.approx([log(4), log(4 / 3)], rel=1e-6)
    assert row_losses(three) == pytest.approx([log(3)])


def test_the_loss_of_a_score_is_its_squared_error():
    assert row_losses(make_part([[1.5], [4.0]], labels=[3.5, 4.0])).tolist() == [4.0, 0.0]


def test_large_logits_have_a_finite_loss():
    assert row_losses(make_part([[1e4, -1e4]], labels=[1])).tolist() == [2e4]


@pytest.mark.parametrize("bad", [nan, inf, -inf])
@pytest.mark.parametrize("width", [1, 2])
def test_a_row_with_a_logit_that_is_not_finite_has_neither_loss_nor_prediction(bad, width):
    part = make_part([[bad, 0.0][:width], [1.0, 0.0][:width]], labels=[0, 0])
    assert np.isnan(row_losses(part)).tolist() == [True, False]
    assert np.isnan(predict(part)).tolist() == [True, False]


def test_predictions_are_the_largest_logit_or_the_score():
    assert predict(make_part([[1, 2], [2, 1]], labels=[0, 0])).tolist() == [1, 0]
    assert predict(make_part([[2.5], [-1]], labels=[0, 0])).tolist() == [2.5, -1]


def test_the_hardest_rows_are_those_without_a_loss_then_the_highest_losses():
    assert hardest_rows(np.array([1.0, 3.0, nan, 3.0, 2.0]), 4).tolist() == [2, 1, 3, 4]


def test_more_hard_rows_than_rows_are_all_rows():
    assert hardest_rows(np.array([1.0, 3.0]), 5).tolist() == [1, 0]


def test_the_confusion_matrix_counts_labels_by_prediction_and_rows_without_one():
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    predictions = np.array([0, 1, nan, 1, 1, 1, 0])
    assert count_pairs(labels, predictions, 2).tolist() == [[1, 1, 1], [1, 3, 0]]


def test_scores_out_of_range_are_counted_in_the_outer_bins():
    scores = np.array([-2, 0, 0.999, 1, 4.2, 5, 9])
    assert bin_scores(scores, range(6)).tolist() == [0, 0, 0, 1, 4, 4, 4]


@pytest.mark.parametrize(
    ("low", "high", "edges"),
    [
        (0, 5, [0, 1, 2, 3, 4, 5]),
        (1, 11, [*range(1, 12)]),
        (0, 100, [*range(0, 101, 10)]),
        (0, 11, [0, 2, 4, 6, 8, 10, 12]),
    ],
)
def test_there_are_ten_bins_at_most(low, high, edges):
    assert list(bin_edges(low, high)) == edges
