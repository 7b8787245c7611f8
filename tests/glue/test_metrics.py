"""Metrics equal scikit-learn's and scipy's, also for collapsed predictions."""

import math

import pytest
import torch
from scipy import stats
from sklearn import metrics as sk

from stablebert.glue.metrics import compute_metrics, majority_score, predictions_from_logits
from stablebert.tasks import TASKS

# half of CoLA's dev set: 160 unacceptable, 361 acceptable
COLA = torch.tensor([0] * 160 + [1] * 361)
RANDOM = torch.Generator().manual_seed(0)
LOGITS = torch.randn(200, 2, generator=RANDOM)
LABELS = (torch.rand(200, generator=RANDOM) < 0.7).long()
SCORES = torch.randn(200, 1, generator=RANDOM)
GRADES = (SCORES[:, 0] + torch.randn(200, generator=RANDOM)).round()  # with ties


def logits_of(classes, n=2):
    return torch.nn.functional.one_hot(classes, n).float()


@pytest.mark.parametrize(
    ("metric", "reference"),
    [("accuracy", sk.accuracy_score), ("f1", sk.f1_score), ("mcc", sk.matthews_corrcoef)],
)
def test_classification_metric_equals_scikit_learn(metric, reference):
    expected = reference(LABELS, LOGITS.argmax(1))
    assert compute_metrics([metric], LOGITS, LABELS)[metric] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "reference"), [("spearman", stats.spearmanr), ("pearson", stats.pearsonr)]
)
def test_correlation_equals_scipy(metric, reference):
    expected = reference(SCORES[:, 0], GRADES)[0]
    assert compute_metrics([metric], SCORES, GRADES)[metric] == pytest.approx(expected)


def test_accuracy_of_three_classes_equals_scikit_learn():
    logits = torch.randn(90, 3, generator=RANDOM)
    labels = torch.randint(3, (90,), generator=RANDOM)
    expected = sk.accuracy_score(labels, logits.argmax(1))
    assert compute_metrics(["accuracy"], logits, labels)["accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("constant", [0, 1])
def test_mcc_of_a_collapsed_run_is_zero(constant):
    """docs/pitfalls.md, 1: torchmetrics gives 0.036 on half of CoLA's dev set."""
    logits = logits_of(torch.full_like(COLA, constant))
    assert compute_metrics(["mcc"], logits, COLA) == {"mcc": 0.0}


@pytest.mark.parametrize("metric", ["spearman", "pearson"])
def test_correlation_of_constant_scores_is_zero(metric):
    """docs/pitfalls.md, 2: torchmetrics gives NaN for Pearson."""
    constant = torch.full((50, 1), 2.5)
    assert compute_metrics([metric], constant, torch.rand(50) * 5) == {metric: 0.0}


@pytest.mark.parametrize("metric", ["spearman", "pearson"])
def test_correlation_with_constant_labels_is_zero(metric):
    scores = torch.tensor([[0.5], [2.0], [1.0]])
    assert compute_metrics([metric], scores, torch.full((3,), 2.5)) == {metric: 0.0}


@pytest.mark.parametrize("metric", ["spearman", "pearson"])
def test_correlation_of_a_single_row_is_zero(metric):
    assert compute_metrics([metric], torch.ones(1, 1), torch.ones(1)) == {metric: 0.0}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_logit_that_is_not_finite_makes_every_metric_nan(value):
    logits = torch.tensor([[0.0, 1.0], [value, 1.0]])
    scores = compute_metrics(["accuracy", "f1"], logits, torch.tensor([1, 1]))
    assert list(scores) == ["accuracy", "f1"]
    assert all(map(math.isnan, scores.values()))


@pytest.mark.parametrize(
    ("logits", "predictions"),
    [
        ([[0.5], [-2.0]], [0.5, -2.0]),
        ([[0.5, 0.25], [0.0, 1.0]], [0, 1]),
        ([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]], [2, 0]),
    ],
)
def test_prediction_is_the_score_or_the_class_of_the_largest_logit(logits, predictions):
    assert predictions_from_logits(torch.tensor(logits)).tolist() == predictions


@pytest.mark.parametrize("metric", ["mcc", "accuracy"])
def test_nan_logits_make_every_metric_nan(metric):
    """An argmax over NaN names a class, with some luck the majority class."""
    logits = logits_of(COLA)
    logits[3, 0] = math.nan
    assert math.isnan(compute_metrics([metric], logits, COLA)[metric])


@pytest.mark.parametrize(
    ("metric", "zeros", "ones", "score"),
    [
        # paper, Table 3, and the arithmetic of its split: RTE 73/138 and 73/139, MRPC's F1
        ("accuracy", 73, 65, 73 / 138),
        ("accuracy", 73, 66, 73 / 139),
        ("f1", 64, 139, 2 * 139 / (203 + 139)),
        ("f1", 65, 140, 2 * 140 / (205 + 140)),
        ("mcc", 160, 361, 0.0),
    ],
)
def test_majority_scores_equal_the_papers(metric, zeros, ones, score):
    labels = torch.tensor([0] * zeros + [1] * ones)
    assert majority_score(metric, labels, num_labels=2) == pytest.approx(score)


def test_majority_score_of_a_regression_is_zero():
    assert majority_score("spearman", torch.rand(20), num_labels=1) == 0.0


def test_every_metric_of_a_task_is_returned_by_its_own_name():
    """docs/pitfalls.md, 14: a second metric must not overwrite the first."""
    scores = compute_metrics(TASKS["mrpc"].metrics, logits_of(1 - COLA), COLA)
    assert list(scores) == ["f1", "accuracy"]


@pytest.mark.parametrize("metric", ["f1", "accuracy"])
def test_every_metric_of_inverted_predictions_is_zero(metric):
    assert compute_metrics([metric], logits_of(1 - COLA), COLA) == {metric: 0.0}
