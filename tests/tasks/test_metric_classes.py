"""Classes of torchmetrics as metrics: their scores, and which of them a task may have."""

import re

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassF1Score

from stablebert.glue.metrics import compute_metrics, majority_score
from stablebert.report.statistics.metrics import score_runs, score_without_each_row
from stablebert.tasks.metric_entries import parse_metric

MACRO_F1 = {"F1Score": {"average": "macro"}}
# by class: F1 is 1/2, 4/5, 4/5, recall is 1/2, 1, 2/3; labels 2, 2, 3 times, predictions 2, 3, 2
LABELS, CLASSES = [0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 2, 0, 2]


def compute(entry, labels, predictions, num_labels):
    metric = parse_metric(entry, num_labels=num_labels)
    x = torch.tensor(predictions)
    logits = x.float()[:, None] if num_labels == 1 else torch.eye(num_labels)[x]
    return compute_metrics([metric], logits, torch.tensor(labels))


@pytest.mark.parametrize(
    ("entry", "key", "score"),
    [
        (MACRO_F1, "F1Score_macro", 0.7),
        ({"Accuracy": {"average": "macro"}}, "Accuracy_macro", 13 / 18),
        ({"HammingDistance": {"average": "micro"}}, "HammingDistance_micro", 2 / 7),
        ("CohenKappa", "CohenKappa", 19 / 33),
        ({"CohenKappa": None}, "CohenKappa", 19 / 33),
        ("mcc", "MatthewsCorrCoef", 19 / 32),
        ("Accuracy", "accuracy", 5 / 7),
    ],
)
def test_a_class_scores_three_labels(entry, key, score):
    assert compute(entry, LABELS, CLASSES, 3) == pytest.approx({key: score})


@pytest.mark.parametrize(
    ("entry", "key", "score"),
    [
        ("F1Score", "f1", 2 / 3),
        (MACRO_F1, "F1Score_macro", 11 / 15),
        ({"FBetaScore": {"beta": 2.0}}, "FBetaScore_beta_2_0", 5 / 6),
        ("CohenKappa", "CohenKappa", 0.5),
        ("MatthewsCorrCoef", "mcc", 1 / 3**0.5),
    ],
)
def test_a_class_scores_the_second_of_two_labels_or_their_average(entry, key, score):
    assert compute(entry, [0, 0, 0, 1], [0, 0, 1, 1], 2) == pytest.approx({key: score})


@pytest.mark.parametrize(
    ("entry", "key", "score"),
    [
        ("MeanAbsoluteError", "MeanAbsoluteError", 0.5),
        ({"MeanSquaredError": {"squared": False}}, "MeanSquaredError_squared_False", 1),
        ("R2Score", "R2Score", 0.2),
        ("SpearmanCorrCoef", "spearman", 3 / 22.5**0.5),
    ],
)
def test_a_class_scores_a_regression(entry, key, score):
    assert compute(entry, [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 2.0], 1) == pytest.approx(
        {key: score}
    )


def test_a_score_is_that_of_torchmetrics_updated_in_batches():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 4, generator=generator)
    labels = torch.randint(4, (50,), generator=generator)
    metric = parse_metric(MACRO_F1, num_labels=4)
    reference = MulticlassF1Score(4, average="macro")
    for x, y in zip(logits.split(7), labels.split(7), strict=True):
        reference.update(x, y)
    assert compute_metrics([metric], logits, labels) == {metric.key: reference.compute().item()}


def test_a_score_that_is_undefined_is_zero():
    assert compute("ConcordanceCorrCoef", [1.0, 2.0, 3.0], [2.0, 2.0, 2.0], 1) == {
        "ConcordanceCorrCoef": 0
    }


def test_the_majority_class_has_the_metric_of_its_predictions():
    metric = parse_metric(MACRO_F1, num_labels=3)
    # always class 2: F1 of 2 * 3 / (7 + 3) = 0.6, and of 0 twice
    assert majority_score(metric, torch.tensor(LABELS), num_labels=3) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("entry", "num_labels"), [(MACRO_F1, 3), ("CohenKappa", 2), ("ConcordanceCorrCoef", 1)]
)
def test_rows_are_left_out_one_by_one(entry, num_labels):
    rng = np.random.default_rng(1)
    predictions = rng.integers(max(num_labels, 2), size=(2, 12)).astype(float)
    labels = rng.integers(max(num_labels, 2), size=12).astype(float)
    metric = parse_metric(entry, num_labels=num_labels)
    scores = score_without_each_row(metric, predictions, labels)
    for j in range(12):
        rest = score_runs(metric, np.delete(predictions, j, 1), np.delete(labels, j))
        assert scores[:, j] == pytest.approx(rest)


@pytest.mark.parametrize(
    ("entry", "num_labels", "problem"),
    [
        ("F2Score", 3, "F2Score: no metric of 3 labels; did you mean F1Score?"),
        ("MulticlassF1Score", 3, "MulticlassF1Score: no metric of 3 labels; did you mean F1Score?"),
        ("MultilabelRankingLoss", 3, "MultilabelRankingLoss: no metric of 3 labels"),
        ("MeanSquaredError", 2, "MeanSquaredError: no metric of 2 labels"),
        ("CohenKappa", 1, "CohenKappa: no metric of a regression"),
        (
            "f1",
            3,
            "f1: no metric of 3 labels; allowed: accuracy, and classes of torchmetrics, "
            "such as F1Score: {average: macro}",
        ),
        ("f1score", 2, "f1score: no metric of 2 labels; allowed: accuracy, f1, mcc, and classes"),
        ({"accuracy": {"average": "macro"}}, 3, "accuracy: takes no arguments; allowed: accuracy"),
        ("F1Score", 3, "F1Score: needs an average of the 3 labels, such as F1Score: {average: "),
        ({"F1Score": {"mean": "macro"}}, 3, "F1Score: unknown argument mean; allowed: average, "),
        ({"F1Score": {"num_classes": 3}}, 3, "F1Score: unknown argument num_classes; allowed: "),
        ({"F1Score": {"average": ["macro"]}}, 3, "F1Score.average: expected a number or a name, "),
        (
            {"F1Score": {"average": "median"}},
            3,
            "F1Score: cannot score predicted classes (Expected argument `average` to be one of",
        ),
        (
            {"F1Score": {"average": "none"}},
            3,
            "F1Score: cannot score predicted classes (returns more than one number)",
        ),
        ("AUROC", 2, "AUROC: scores probabilities, and metrics of a task score predicted classes"),
        ("CalibrationError", 3, "CalibrationError: cannot score predicted classes ("),
        ("MinkowskiDistance", 1, "MinkowskiDistance: cannot score predicted scores ("),
        ({"F1Score": "macro"}, 3, "expected a name, or a name and arguments (F1Score: {average: "),
        ({"F1Score": {}, "CohenKappa": {}}, 3, "expected a name, or a name and arguments (F1Score"),
    ],
)
def test_what_cannot_be_a_metric_is_refused_with_the_reason(entry, num_labels, problem):
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        parse_metric(entry, num_labels=num_labels)


@pytest.mark.parametrize(
    ("entry", "num_labels", "lowest"),
    [
        (MACRO_F1, 3, -1),
        ("CohenKappa", 2, -1),
        ("ConcordanceCorrCoef", 1, -1),
        ("KendallRankCorrCoef", 1, -1),
        ({"HammingDistance": {"average": "macro"}}, 3, None),
        ("MeanSquaredError", 1, None),
        ("R2Score", 1, None),
        ("ExplainedVariance", 1, None),
    ],
)
def test_only_a_metric_of_at_most_1_that_is_best_at_1_may_be_reported(entry, num_labels, lowest):
    assert parse_metric(entry, num_labels=num_labels).lowest == lowest
