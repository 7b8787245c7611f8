"""The metrics of GLUE, also for predictions that have collapsed."""

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


def predictions_from_logits(logits: Tensor) -> Tensor:
    """Class of the largest logit, or the score itself for regression: `(N, C)` to `(N,)`."""
    return logits[:, 0] if logits.shape[1] == 1 else logits.argmax(1)


def compute_metrics(metrics: Sequence[str], logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Score predictions as GLUE does.

    A correlation with constant predictions is 0, as scikit-learn's MCC has it (torchmetrics gives
    0.036 on CoLA's half dev, torchmetrics#3355, and NaN for Pearson). Logits that are not finite
    make every metric NaN: an argmax over NaN is no prediction.

    Args:
        metrics: from `accuracy`, `f1` (of class 1), `mcc`, `pearson`, `spearman`.
        logits: `(N, C)`; C = 1 for regression.
        labels: `(N,)`, class numbers or scores.

    Returns:
        The metrics by name, in 0..1 (correlations in -1..1).
    """
    if not torch.isfinite(logits).all():
        return dict.fromkeys(metrics, math.nan)
    guesses = predictions_from_logits(logits)
    return {name: _METRICS[name](guesses, labels, logits.shape[1]) for name in metrics}


def majority_score(metric: str, labels: Tensor, *, num_labels: int) -> float:
    """Score of always predicting the most frequent class (of a constant score: 0)."""
    constant = torch.zeros(len(labels), num_labels)
    if num_labels > 1:
        constant[:, labels.mode().values] = 1
    return compute_metrics([metric], constant, labels)[metric]


def _accuracy(guesses: Tensor, labels: Tensor, num_labels: int) -> float:
    return multiclass_accuracy(guesses, labels, num_labels, average="micro").item()


def _f1(guesses: Tensor, labels: Tensor, num_labels: int) -> float:
    return binary_f1_score(guesses, labels).item()


def _constant(values: Tensor) -> bool:
    return bool((values == values[0]).all())


def _mcc(guesses: Tensor, labels: Tensor, num_labels: int) -> float:
    if _constant(guesses) or _constant(labels):
        return 0.0
    return binary_matthews_corrcoef(guesses, labels).item()


def _pearson(guesses: Tensor, labels: Tensor, num_labels: int) -> float:
    if _constant(guesses) or _constant(labels):
        return 0.0
    return pearson_corrcoef(guesses.double(), labels.double()).item()


def _spearman(guesses: Tensor, labels: Tensor, num_labels: int) -> float:
    if _constant(guesses) or _constant(labels):
        return 0.0
    return spearman_corrcoef(guesses.double(), labels.double()).item()


_METRICS = {
    "accuracy": _accuracy,
    "f1": _f1,
    "mcc": _mcc,
    "pearson": _pearson,
    "spearman": _spearman,
}
