"""Predictions of runs whose true scores are known, for the split of variance over seeds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

Draw = Callable[[np.random.Generator, int, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Population:
    """Training procedure with a known spread of true scores."""

    metric: str
    sd: float
    """True standard deviation over seeds of the score on the distribution."""
    draw: Draw
    """Function of a generator, n and N that returns predictions `(n, N)` and labels `(N,)`."""


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)  # of a standard normal variable
WEIGHTS = WEIGHTS / WEIGHTS.sum()
ROW_SD = 2.0
MANY = np.random.default_rng(0).standard_normal(400_000)


def standard_deviation(values):
    mean = WEIGHTS @ values
    return float(np.sqrt(WEIGHTS @ (values - mean) ** 2))


def true_accuracy(effects):
    """Return the accuracy of runs with some effects `(m,)` on all rows, by quadrature."""
    return special.expit(1 + effects[:, None] + ROW_SD * NODES) @ WEIGHTS


def effect_for(sd):
    """Return the standard deviation of effects that gives true accuracies this one."""
    low, high = 0.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        too_small = standard_deviation(true_accuracy(middle * NODES)) < sd
        low, high = (middle, high) if too_small else (low, middle)
    return low


def draw_correct(rng, n, rows, effect):
    """Return which predictions are correct: logit 1 + a_i + b_j with normal a_i and b_j."""
    logits = 1 + effect * rng.standard_normal((n, 1)) + ROW_SD * rng.standard_normal(rows)
    return rng.random((n, rows)) < special.expit(logits)


def smooth(sd):
    """Return runs that differ a little each; rows differ in difficulty."""
    effect = effect_for(sd) if sd else 0.0

    def draw(rng, n, rows):
        return draw_correct(rng, n, rows, effect), np.ones(rows)

    return Population("accuracy", sd, draw)


def failing(share, *, effect=0.15, majority=0.55):
    """Return runs of which some fail and predict the majority class for every row."""
    accuracies = true_accuracy(effect * NODES)
    gap = WEIGHTS @ accuracies - majority
    within = standard_deviation(accuracies) ** 2

    def draw(rng, n, rows):
        labels = rng.random(rows) < majority
        correct = draw_correct(rng, n, rows, effect)
        failed = rng.random((n, 1)) < share
        return np.where(failed, True, correct == labels), labels

    return Population("accuracy", np.sqrt((1 - share) * (within + share * gap**2)), draw)


def thresholds(metric, spread, *, positive=0.68, row_sd=0.8, noise=0.7):
    """Return binary classifiers that agree on what they see, but not on where to cut."""
    width = np.hypot(row_sd, noise)
    tp = positive * special.ndtr((1 - spread * MANY) / width)
    fp = (1 - positive) * special.ndtr((-1 - spread * MANY) / width)
    fn, tn = positive - tp, 1 - positive - fp
    scores = {
        "f1": 2 * tp / (2 * tp + fp + fn),
        "mcc": (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
    }

    def draw(rng, n, rows):
        labels = rng.random(rows) < positive
        signal = np.where(labels, 1, -1) + row_sd * rng.standard_normal(rows)
        cuts = spread * rng.standard_normal((n, 1))
        return signal + noise * rng.standard_normal((n, rows)) > cuts, labels

    return Population(metric, float(scores[metric].std()) if spread else 0.0, draw)


def regressions(spread, *, shared=0.6):
    """Return regressions whose correlations with the label differ; errors are partly shared."""
    correlations = np.tanh(1.2 + spread * MANY)
    scores = 6 / np.pi * np.arcsin(correlations / 2)  # Spearman's for a normal pair

    def draw(rng, n, rows):
        rho = np.tanh(1.2 + spread * rng.standard_normal((n, 1)))
        labels, errors = rng.standard_normal(rows), rng.standard_normal((n, rows))
        errors = shared * rng.standard_normal(rows) + np.sqrt(1 - shared**2) * errors
        return rho * labels + np.sqrt(1 - rho**2) * errors, labels

    return Population("spearman", float(scores.std()) if spread else 0.0, draw)
