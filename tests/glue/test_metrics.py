"""Metrics against scikit-learn and scipy, and on collapsed predictions."""

import math

import pytest
import torch
from sklearn import metrics as sk

from stablebert.glue.metrics import compute_metrics, majority_score
from stablebert.tasks import TASKS

# CoLA's dev half: 160 unacceptable, 361 acceptable
COLA = torch.tensor([0] * 160 + [1] * 361)


def logits_of(classes, n=2):
    return torch.nn.functional.one_hot(classes, n).float()


def test_metrics_equal_scikit_learn_and_scipy():
    from scipy import stats

    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 2, generator=rng)
    labels = (torch.rand(200, generator=rng) < 0.7).long()
    guesses = logits.argmax(1)
    found = compute_metrics(["accuracy", "f1", "mcc"], logits, labels)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, guesses))
    assert found["f1"] == pytest.approx(sk.f1_score(labels, guesses))
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(labels, guesses), abs=1e-6)
    scores = torch.randn(200, 1, generator=rng)
    grades = (scores[:, 0] + torch.randn(200, generator=rng)).round()  # ties
    found = compute_metrics(["spearman", "pearson"], scores, grades)
    assert found["spearman"] == pytest.approx(stats.spearmanr(scores[:, 0], grades)[0])
    assert found["pearson"] == pytest.approx(stats.pearsonr(scores[:, 0], grades)[0])
    three = torch.randn(90, 3, generator=rng)
    third = torch.randint(3, (90,), generator=rng)
    expected = sk.accuracy_score(third, three.argmax(1))
    assert compute_metrics(["accuracy"], three, third)["accuracy"] == pytest.approx(expected)


def test_collapsed_cola_scores_zero():
    """Trap 1: torchmetrics has 0.036 for constant predictions on CoLA's half dev."""
    for constant in (0, 1):
        found = compute_metrics(["mcc"], logits_of(torch.full_like(COLA, constant)), COLA)
        assert found["mcc"] == 0.0


def test_constant_scores_correlate_zero():
    """Trap 2: torchmetrics has NaN for Pearson."""
    grades = torch.rand(50) * 5
    found = compute_metrics(["spearman", "pearson"], torch.full((50, 1), 2.5), grades)
    assert found == {"spearman": 0.0, "pearson": 0.0}


def test_nan_logits_give_nan_and_not_a_score():
    """An argmax over NaN names a class; the majority class, with some luck."""
    logits = logits_of(COLA)
    logits[3, 0] = math.nan
    assert all(math.isnan(v) for v in compute_metrics(["mcc", "accuracy"], logits, COLA).values())


@pytest.mark.parametrize(
    ("metric", "zeros", "ones", "score"),
    [
        # paper, Table 3 and the arithmetic of its split: RTE 73/138 and 73/139, MRPC's F1
        ("accuracy", 73, 65, 73 / 138),
        ("accuracy", 73, 66, 73 / 139),
        ("f1", 64, 139, 2 * 139 / (203 + 139)),
        ("f1", 65, 140, 2 * 140 / (205 + 140)),
        ("mcc", 160, 361, 0.0),
    ],
)
def test_majority_scores_are_the_paper_s(metric, zeros, ones, score):
    labels = torch.tensor([0] * zeros + [1] * ones)
    assert majority_score(metric, labels, num_labels=2) == pytest.approx(score)


def test_majority_of_a_regression_is_zero():
    assert majority_score("spearman", torch.rand(20), num_labels=1) == 0.0


def test_second_metric_does_not_replace_the_first():
    """Trap 14."""
    found = compute_metrics(TASKS["mrpc"].metrics, logits_of(1 - COLA), COLA)
    assert list(found) == ["f1", "accuracy"]
    assert found == {"f1": 0.0, "accuracy": 0.0}
