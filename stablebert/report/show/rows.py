"""Predictions of a run by row: counts by class, losses, and the rows with the highest loss."""

import numpy as np
from numpy.typing import NDArray

from stablebert.report.statistics.scores import FloatArray
from stablebert.runs.predictions import RowPredictions

MOST_BINS = 10
"""Bins of a regression's scores."""


def predict(part: RowPredictions) -> FloatArray:
    """Return the class of the largest logit, or the score of a regression.

    Returns:
        Predictions, `(N,)`; NaN for a row with a logit that is not finite.
    """
    logits = part.logits.astype(np.float64)
    values = logits[:, 0] if logits.shape[1] == 1 else logits.argmax(axis=1)
    return np.where(np.isfinite(logits).all(axis=1), values, np.nan)


def row_losses(part: RowPredictions) -> FloatArray:
    """Return the cross-entropy of each row, or the squared error of a regression.

    Returns:
        Losses, `(N,)`; NaN for a row with a logit that is not finite.
    """
    logits, labels = part.logits.astype(np.float64), part.labels.astype(np.float64)
    is_finite = np.isfinite(logits).all(axis=1, keepdims=True)
    logits = np.where(is_finite, logits, np.nan)
    if logits.shape[1] == 1:
        return np.square(logits[:, 0] - labels)
    shifted = logits - logits.max(axis=1, keepdims=True)
    true = np.take_along_axis(shifted, labels.astype(np.intp)[:, None], axis=1)[:, 0]
    return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - true)


def hardest_rows(losses: FloatArray, n: int) -> NDArray[np.intp]:
    """Return the positions of the n highest losses, highest first; NaN is the highest."""
    return np.argsort(np.where(np.isnan(losses), -np.inf, -losses), kind="stable")[:n]


def count_pairs(labels: FloatArray, predictions: FloatArray, k: int) -> NDArray[np.intp]:
    """Return how many rows of each class have which prediction.

    Args:
        labels: Classes from 0 to k - 1, `(N,)`.
        predictions: Classes, `(N,)`; NaN for none.
        k: Number of classes.

    Returns:
        Counts by label and prediction, `(k, k + 1)`; the last column is that of no prediction.
    """
    columns = np.where(np.isnan(predictions), k, predictions).astype(np.intp)
    counts = np.zeros((k, k + 1), dtype=np.intp)
    np.add.at(counts, (labels.astype(np.intp), columns), 1)
    return counts


def bin_edges(low: int, high: int) -> range:
    """Return the edges of at most ten bins of equal width, of which the last may end after `high`.

    Example:
        >>> list(bin_edges(0, 5)), list(bin_edges(0, 100))[:3]
        ([0, 1, 2, 3, 4, 5], [0, 10, 20])
    """
    width = -(-(high - low) // MOST_BINS)
    return range(low, high + width, width)


def bin_scores(scores: FloatArray, edges: range) -> FloatArray:
    """Return the bin of each score, from 0; scores out of range are in the outer ones.

    Example:
        >>> bin_scores(np.array([-0.3, 0.99, 1.0, 5.0]), range(0, 6)).tolist()
        [0.0, 0.0, 1.0, 4.0]
    """
    return np.clip(np.floor((scores - edges[0]) / edges.step), 0, len(edges) - 2)
