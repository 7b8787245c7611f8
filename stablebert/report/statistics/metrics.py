"""The metrics of a task for many runs at once, also with each row left out.

They are those of `stablebert.glue.metrics`; GLUE's in numpy. A run with a logit that is not finite
scores 0 on whatever rows, as in its record; its predictions are NaN here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stablebert.report.statistics.scores import FloatArray
from stablebert.tasks.metrics import Metric, find_metric


def predictions_of_runs(logits: ArrayLike) -> FloatArray:
    """Return the class of the largest logit, or the score of a regression.

    Args:
        logits: `(n, N, C)`; C = 1 for a regression.

    Returns:
        Predictions, shape `(n, N)`; NaN in all rows of a run that has a logit that is not finite,
        because an argmax over NaN is not a prediction.
    """
    x = np.asarray(logits, dtype=np.float64)
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"logits have shape {x.shape}; need (n, N, C), none of them 0")
    predictions = x[:, :, 0] if x.shape[2] == 1 else x.argmax(axis=2)
    finite = np.isfinite(x.sum(axis=(1, 2)))  # a sum is finite if all its terms are
    return np.where(finite[:, None], predictions, np.nan)


def score_runs(metric: Metric | str, predictions: ArrayLike, labels: ArrayLike) -> FloatArray:
    """Return the score of every run.

    Args:
        metric: A metric, or the name of GLUE's: `accuracy`, `f1` (of class 1), `mcc`, `pearson`,
            or `spearman`.
        predictions: Classes or scores, shape `(n, N)`. A run with a NaN scores 0.
        labels: Classes or scores, shape `(N,)`.

    Returns:
        Scores, shape `(n,)`, in 0..1 (correlations in -1..1).

    Raises:
        ValueError: If the metric is unknown, the shapes do not match, or a label is not finite.
    """
    scorer, x, y, failed = _checked(metric, predictions, labels)
    return np.where(failed[:, 0], 0.0, scorer.score(x, y))


def score_without_each_row(
    metric: Metric | str, predictions: ArrayLike, labels: ArrayLike
) -> FloatArray:
    """Return the scores of every run on all rows but one.

    Args:
        metric: As in `score_runs`.
        predictions: Classes or scores, shape `(n, N)`, N at least 3.
        labels: Classes or scores, shape `(N,)`.

    Returns:
        Scores without row j in column j, shape `(n, N)`.

    Raises:
        ValueError: As in `score_runs`, or if there are fewer than 3 rows.
    """
    scorer, x, y, failed = _checked(metric, predictions, labels)
    if len(y) < 3:
        raise ValueError(f"{len(y)} rows; need at least 3 to leave one out")
    return np.where(failed, 0.0, scorer.score_without_each_row(x, y))


@dataclass(frozen=True)
class _Scorer:
    """A metric, as functions of predictions `(n, N)` and labels `(N,)`."""

    score: Callable[[FloatArray, FloatArray], FloatArray]
    """Scores of shape `(n,)`."""
    score_without_each_row: Callable[[FloatArray, FloatArray], FloatArray]
    """Scores of shape `(n, N)`."""


def _checked(
    metric: Metric | str, predictions: ArrayLike, labels: ArrayLike
) -> tuple[_Scorer, FloatArray, FloatArray, NDArray[np.bool_]]:
    """Return metric, predictions (0 for failed runs), labels, and which runs failed `(n, 1)`."""
    metric = find_metric(metric)
    x, y = np.asarray(predictions, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.ndim != 2 or 0 in x.shape or y.shape != x.shape[1:]:
        raise ValueError(
            f"predictions have shape {x.shape} and labels {y.shape}; need (n, N) and (N,)"
        )
    if not np.isfinite(y).all():
        raise ValueError(f"{np.sum(~np.isfinite(y))} of {len(y)} labels are not finite")
    failed = ~np.isfinite(x.sum(axis=1, keepdims=True))
    scorer = _scorer_of_class(metric) if metric.class_name else _SCORERS[metric.key]
    return scorer, np.where(failed, 0.0, x), y, failed


# ---------------------------------------------------------------- metrics of counts


def _scorer_of_counts(
    cells_of: Callable[[FloatArray, FloatArray], FloatArray],
    formula: Callable[[FloatArray], FloatArray],
) -> _Scorer:
    """Return a metric that is a function of counts.

    Args:
        cells_of: Function of predictions and labels that returns what each row adds to each of k
            counts, shape `(k, n, N)`.
        formula: Function of counts of shape `(k, ...)`.
    """

    def score(x: FloatArray, y: FloatArray) -> FloatArray:
        return formula(cells_of(x, y).sum(axis=2))

    def score_without_each_row(x: FloatArray, y: FloatArray) -> FloatArray:
        cells = cells_of(x, y)
        return formula(cells.sum(axis=2, keepdims=True) - cells)

    return _Scorer(score, score_without_each_row)


def _hits(x: FloatArray, y: FloatArray) -> FloatArray:
    correct = x == y
    return np.stack([correct, ~correct]).astype(np.float64)


def _confusion(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return true positives, false positives, false negatives, and true negatives."""
    p, t = x == 1, np.broadcast_to(y == 1, x.shape)
    return np.stack([p & t, p & ~t, ~p & t, ~p & ~t]).astype(np.float64)


def _accuracy(counts: FloatArray) -> FloatArray:
    correct, wrong = counts
    return _ratio(correct, correct + wrong)


def _f1(counts: FloatArray) -> FloatArray:
    tp, fp, fn, _ = counts
    return _ratio(2 * tp, 2 * tp + fp + fn)


def _mcc(counts: FloatArray) -> FloatArray:
    """Return the correlation of two classes, 0 if predictions or labels are constant."""
    tp, fp, fn, tn = counts
    return _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Return the ratio, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)


# ---------------------------------------------------------------- correlations


def _pearson(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the correlations `(n,)` of x `(n, N)` with y `(N,)`, 0 if either is constant."""
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean()
    varies = (np.ptp(x, axis=1) > 0) & (np.ptp(y) > 0)
    scale = np.sqrt((dx**2).sum(axis=1) * (dy**2).sum())
    return _ratio(dx @ dy, np.where(varies, scale, 0.0))


def _spearman(x: FloatArray, y: FloatArray) -> FloatArray:
    return _pearson(_ranks(x), _ranks(y[None])[0])


def _pearson_without_each_row(x: FloatArray, y: FloatArray) -> FloatArray:
    columns = [_pearson(np.delete(x, j, axis=1), np.delete(y, j)) for j in range(len(y))]
    return np.stack(columns, axis=1)


def _spearman_without_each_row(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return Spearman's correlations without each row, without sorting again.

    Without row j, the rank of a row falls by 1 if its value is larger, by 1/2 if it is equal.
    """
    values = np.vstack([x, y])
    ranks = _ranks(values)
    columns = []
    for j in range(len(y)):
        value = values[:, [j]]
        rest = np.delete(ranks - (values > value) - (values == value) / 2, j, axis=1)
        columns.append(_pearson(rest[:-1], rest[-1]))
    return np.stack(columns, axis=1)


def _ranks(values: FloatArray) -> FloatArray:
    """Return ranks from 1 within each row of `(n, N)`; equal values share their mean rank."""
    ranks = np.empty_like(values)
    for row, out in zip(values, ranks, strict=True):
        _, place, count = np.unique(row, return_inverse=True, return_counts=True)
        out[:] = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


# ---------------------------------------------------------------- classes of torchmetrics


def _scorer_of_class(metric: Metric) -> _Scorer:
    from stablebert.tasks.metric_classes import score_with_class  # loads torch

    def score(x: FloatArray, y: FloatArray) -> FloatArray:
        return np.array([score_with_class(metric, run, y) for run in x])

    def score_without_each_row(x: FloatArray, y: FloatArray) -> FloatArray:
        return np.stack([without_each_row(run, y) for run in x])

    def without_each_row(run: FloatArray, y: FloatArray) -> FloatArray:
        """Score once what is left without any of the rows with equal predictions and labels."""
        pairs, place = np.stack([run, y]), np.arange(len(y))
        _, first, group = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
        scores = [score_with_class(metric, run[place != j], y[place != j]) for j in first]
        return np.array(scores)[group.ravel()]

    return _Scorer(score, score_without_each_row)


_SCORERS = {
    "accuracy": _scorer_of_counts(_hits, _accuracy),
    "f1": _scorer_of_counts(_confusion, _f1),
    "mcc": _scorer_of_counts(_confusion, _mcc),
    "pearson": _Scorer(_pearson, _pearson_without_each_row),
    "spearman": _Scorer(_spearman, _spearman_without_each_row),
}
