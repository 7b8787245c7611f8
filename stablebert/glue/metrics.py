"""The metrics of a task, also for predictions that have collapsed to one value."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.functional import pearson_corrcoef, spearman_corrcoef
from torchmetrics.functional.classification import (
    binary_f1_score,
    binary_matthews_corrcoef,
    multiclass_accuracy,
)

from stablebert.tasks.metric_classes import score_with_class
from stablebert.tasks.metrics import Metric, find_metric


def predictions_from_logits(logits: Tensor) -> Tensor:
    """Return the class of the largest logit, or the score of a regression: `(N, C)` to `(N,)`."""
    return logits[:, 0] if logits.shape[1] == 1 else logits.argmax(1)


def compute_metrics(
    metrics: Sequence[Metric | str], logits: Tensor, labels: Tensor
) -> dict[str, float]:
    """Score predictions, as GLUE does with its metrics.

    A correlation with constant predictions is 0, as MCC is in scikit-learn (torchmetrics gives
    0.036 on half of CoLA's dev set, torchmetrics#3355, and NaN for Pearson). If a logit is not
    finite, every metric is NaN: an argmax over NaN is not a prediction.

    Args:
        metrics: Metrics, or names of GLUE's: `accuracy`, `f1` (of class 1), `mcc`, `pearson`,
            `spearman`.
        logits: `(N, C)`; C = 1 for a regression.
        labels: `(N,)`, class numbers or scores.

    Returns:
        The metrics by key, in 0..1 (correlations in -1..1).
    """
    selection = [find_metric(metric) for metric in metrics]
    if not torch.isfinite(logits).all():
        return {metric.key: math.nan for metric in selection}
    predictions = predictions_from_logits(logits)
    return {
        metric.key: score_with_class(metric, predictions, labels)
        if metric.class_name
        else _METRICS[metric.key](predictions, labels, logits.shape[1])
        for metric in selection
    }


def majority_score(metric: Metric | str, labels: Tensor, *, num_labels: int) -> float:
    """Return the score of always predicting the most frequent class, or 0 for a regression."""
    constant = torch.zeros(len(labels), num_labels)
    if num_labels > 1:
        constant[:, labels.mode().values] = 1
    return compute_metrics([metric], constant, labels)[find_metric(metric).key]


def _accuracy(predictions: Tensor, labels: Tensor, num_labels: int) -> float:
    return multiclass_accuracy(predictions, labels, num_labels, average="micro").item()


def _f1(predictions: Tensor, labels: Tensor, num_labels: int) -> float:
    return binary_f1_score(predictions, labels).item()


def _mcc(predictions: Tensor, labels: Tensor, num_labels: int) -> float:
    if _is_constant(predictions) or _is_constant(labels):
        return 0.0
    return binary_matthews_corrcoef(predictions, labels).item()


def _pearson(predictions: Tensor, labels: Tensor, num_labels: int) -> float:
    if _is_constant(predictions) or _is_constant(labels):
        return 0.0
    return pearson_corrcoef(predictions.double(), labels.double()).item()


def _spearman(predictions: Tensor, labels: Tensor, num_labels: int) -> float:
    if _is_constant(predictions) or _is_constant(labels):
        return 0.0
    return spearman_corrcoef(predictions.double(), labels.double()).item()


def _is_constant(values: Tensor) -> bool:
    return bool((values == values[0]).all())


_METRICS = {
    "accuracy": _accuracy,
    "f1": _f1,
    "mcc": _mcc,
    "pearson": _pearson,
    "spearman": _spearman,
}
