"""How much the predictions of runs differ, and what averaging them gains.

Runs with equal scores can still make different predictions, which a standard deviation of scores
does not show. The measures here compare the runs row by row (docs/statistics.md). None depends on
the order of the runs. A logit that is not finite is an error, because such a run makes no
prediction: callers leave the run out and report how many they left out.

References:
    Du and Nguyen, "Measuring the Instability of Fine-Tuning", ACL 2023, Section 3 (prediction
    measures), https://arxiv.org/abs/2302.07778
"""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from stablebert.report.statistics.metrics import predictions_of_runs, score_runs
from stablebert.report.statistics.scores import FloatArray
from stablebert.tasks.metrics import Metric


def pairwise_disagreement(classes: ArrayLike) -> float:
    """Return the share of rows on which two runs differ, averaged over all pairs of runs.

    The mean over rows of 1 - sum over c of m_c (m_c - 1) / (n (n - 1)), where m_c runs predict
    class c. For a binary task it is at most n / (2 (n - 1)), about a half.

    Args:
        classes: Predicted classes, integers, shape `(n, N)`, two runs or more.

    Raises:
        ValueError: If the shape is wrong, or a value is not finite.

    References:
        Du and Nguyen (2023), Section 3, "pairwise disagreement".
    """
    return 1 - _agreement(_class_counts(classes))


def fleiss_kappa(classes: ArrayLike) -> float:
    """Return Fleiss' kappa: the agreement of runs beyond what their class frequencies give.

    (P - E) / (1 - E), where P is the share of rows on which two runs agree, and E the sum over
    classes of the squared share of all predictions that are of this class. 1 for runs that agree on
    every row, 0 for predictions that depend on nothing but these shares.

    Args:
        classes: Predicted classes, integers, shape `(n, N)`, two runs or more.

    Returns:
        Kappa, at most 1. NaN if every run predicts the same class for every row: their agreement
        is perfect, but no more than chance would give.

    Raises:
        ValueError: If the shape is wrong, or a value is not finite.

    References:
        Fleiss, "Measuring Nominal Scale Agreement among Many Raters", Psychological Bulletin 76,
        1971, used as a measure of instability by Du and Nguyen (2023), Section 3.
    """
    counts = _class_counts(classes)
    if len(counts) == 1:
        return nan
    chance = float(((counts.sum(axis=1) / counts.sum()) ** 2).sum())
    return (_agreement(counts) - chance) / (1 - chance)


def jensen_shannon_divergence(logits: ArrayLike) -> float:
    """Return the Jensen-Shannon divergence of two runs, averaged over rows and pairs of runs.

    (KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2, in nats: 0 for equal probabilities, ln 2 = 0.693
    for runs that are certain of different classes. It is a divergence, not its square root.

    Args:
        logits: `(n, N, C)`, two runs or more and two classes or more.

    Raises:
        ValueError: If the shape is wrong, the logits are those of a regression, or one is not
            finite.

    References:
        Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information
        Theory 37, 1991, used by Du and Nguyen (2023), Section 3.
    """
    x = _checked(logits, ndim=3)
    if x.shape[2] == 1:
        raise ValueError("logits of a regression have no probabilities; use prediction_sd")
    p = special.softmax(x, axis=2)
    divergences = [_divergence(p[i], p[i + 1 :]).mean(axis=1).sum() for i in range(len(p) - 1)]
    return float(np.sum(divergences) / (len(p) * (len(p) - 1) / 2))


def prediction_sd(predictions: ArrayLike) -> float:
    """Return the standard deviation over runs of the score predicted for a row, of a regression.

    The root of the mean over rows of the sample variance (divisor n - 1), in units of the label. Du
    and Nguyen define measures for classification only; this one takes the place of the pairwise
    disagreement: twice its square is the mean squared difference of two runs.

    Args:
        predictions: Predicted scores, shape `(n, N)`, two runs or more.

    Raises:
        ValueError: If the shape is wrong, or a value is not finite.
    """
    return float(np.sqrt(_checked(predictions, ndim=2).var(axis=0, ddof=1).mean()))


@dataclass(frozen=True, kw_only=True)
class EnsembleScore:
    """Score of an ensemble, and the mean score of its members."""

    ensemble: float
    mean_run: float


def score_ensemble(metric: Metric | str, logits: ArrayLike, labels: ArrayLike) -> EnsembleScore:
    """Return the score of the ensemble of all runs, next to the mean of their scores.

    The ensemble predicts the class with the largest mean probability (the first of equal ones), or
    the mean prediction of a regression.

    Args:
        metric: As in `score_runs`.
        logits: `(n, N, C)`, two runs or more; C = 1 for a regression.
        labels: `(N,)`.

    Raises:
        ValueError: If a shape is wrong, the metric is unknown, or a value is not finite.
    """
    x = _checked(logits, ndim=3)
    members = x if x.shape[2] == 1 else special.softmax(x, axis=2)
    ensemble = predictions_of_runs(members.mean(axis=0, keepdims=True))
    return EnsembleScore(
        ensemble=float(score_runs(metric, ensemble, labels)[0]),
        mean_run=float(score_runs(metric, predictions_of_runs(x), labels).mean()),
    )


def _checked(values: ArrayLike, *, ndim: int) -> FloatArray:
    """Return logits `(n, N, C)` or predictions `(n, N)` of two runs or more as float64."""
    x = np.asarray(values, dtype=np.float64)
    shape = ("n", "N", "C")[:ndim]
    if x.ndim != ndim or len(x) < 2 or 0 in x.shape:
        raise ValueError(f"values have shape {x.shape}; need ({', '.join(shape)}), n at least 2")
    if not np.isfinite(x).all():
        broken = np.sum(~np.isfinite(x).all(axis=tuple(range(1, ndim))))
        raise ValueError(f"{np.sum(~np.isfinite(x))} values of {broken} runs are not finite")
    return x


def _class_counts(classes: ArrayLike) -> FloatArray:
    """Return how many runs predict each class that occurs, shape `(classes, N)`."""
    x = _checked(classes, ndim=2)
    return np.stack([(x == c).sum(axis=0, dtype=np.float64) for c in np.unique(x)])


def _agreement(counts: FloatArray) -> float:
    """Return the share of rows on which two runs agree, from counts `(classes, N)`."""
    n = counts[:, 0].sum()
    return float((counts * (counts - 1)).sum(axis=0).mean() / (n * (n - 1)))


def _divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return Jensen-Shannon divergences over the last axis; a probability may be 0."""
    m = (p + q) / 2  # 0 only where both are
    divergence: FloatArray = (special.rel_entr(p, m) + special.rel_entr(q, m)).sum(axis=-1) / 2
    return divergence
