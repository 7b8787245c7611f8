"""Metrics of many runs at once, against those of training."""

import math

import numpy as np
import pytest
import torch

from stablebert.glue.metrics import compute_metrics
from stablebert.report.statistics import metrics

CLASSIFICATION, CORRELATION = ["accuracy", "f1", "mcc"], ["pearson", "spearman"]
N = 31


def draw_logits(metric, runs=4):
    """Return logits `(n, N, C)` with ties, one constant run, and labels `(N,)`."""
    rng = np.random.default_rng(3)
    if metric in CORRELATION:
        labels = rng.integers(0, 11, N) / 2
        logits = (labels + rng.normal(0, 1, (runs, N))).round(1)[:, :, None]
        logits[-1] = 2.5
    else:
        labels = rng.integers(0, 2, N)
        logits = rng.normal(0, 1, (runs, N, 2))
        logits[-1] = [0.0, 1.0]
    return logits, labels


def expected_score(metric, logits, labels):
    labels = torch.tensor(labels)
    return compute_metrics([metric], torch.tensor(logits), labels)[metric]


every_metric = pytest.mark.parametrize("metric", CLASSIFICATION + CORRELATION)


@every_metric
def test_scores_are_those_of_training(metric):
    logits, labels = draw_logits(metric)
    expected = [expected_score(metric, run, labels) for run in logits]
    scores = metrics.score_runs(metric, metrics.predictions_of_runs(logits), labels)
    assert scores == pytest.approx(expected, abs=1e-6)


@every_metric
def test_scores_without_each_row_are_those_of_training_on_the_other_rows(metric):
    logits, labels = draw_logits(metric)
    expected = [
        [expected_score(metric, np.delete(run, j, 0), np.delete(labels, j)) for j in range(N)]
        for run in logits
    ]
    predictions = metrics.predictions_of_runs(logits)
    scores = metrics.score_without_each_row(metric, predictions, labels)
    assert scores == pytest.approx(np.array(expected), abs=1e-6)


def test_accuracy_of_three_classes_counts_exact_matches():
    scores = metrics.score_runs("accuracy", [[0, 1, 2, 2], [0, 0, 0, 0]], [0, 1, 2, 0])
    assert scores.tolist() == [0.75, 0.5]


@every_metric
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_run_with_a_logit_that_is_not_finite_scores_zero(metric, value):
    logits, labels = draw_logits(metric)
    logits[1, 7, 0] = value
    predictions = metrics.predictions_of_runs(logits)
    assert metrics.score_runs(metric, predictions, labels)[1] == 0


@every_metric
def test_a_run_with_nan_scores_zero_also_without_the_row_that_has_it(metric):
    logits, labels = draw_logits(metric)
    logits[1, 7, 0] = math.nan
    predictions = metrics.predictions_of_runs(logits)
    assert not metrics.score_without_each_row(metric, predictions, labels)[1].any()


@every_metric
def test_a_run_with_nan_leaves_the_others_alone(metric):
    logits, labels = draw_logits(metric)
    before = metrics.score_runs(metric, metrics.predictions_of_runs(logits), labels)
    logits[1] = math.nan
    after = metrics.score_runs(metric, metrics.predictions_of_runs(logits), labels)
    assert after[[0, 2, 3]].tolist() == before[[0, 2, 3]].tolist()


def test_an_unknown_metric_is_reported_with_the_allowed_ones():
    with pytest.raises(ValueError, match="'bleu' is unknown; choose one of accuracy, f1, mcc"):
        metrics.score_runs("bleu", [[0, 1]], [0, 1])


@pytest.mark.parametrize("labels", [[0, 1], [[0, 1, 1]], []])
def test_labels_must_match_the_rows(labels):
    with pytest.raises(ValueError, match=r"labels .*; need \(n, N\) and \(N,\)"):
        metrics.score_runs("accuracy", [[0, 1, 1]], labels)


def test_labels_must_be_finite():
    with pytest.raises(ValueError, match="1 of 3 labels are not finite"):
        metrics.score_runs("pearson", [[0.0, 1, 1]], [0, math.nan, 1])


def test_two_rows_are_too_few_to_leave_one_out():
    with pytest.raises(ValueError, match="2 rows; need at least 3"):
        metrics.score_without_each_row("accuracy", [[0, 1]], [0, 1])


@pytest.mark.parametrize("shape", [(3, 4), (0, 4, 2), (3, 0, 2), (3, 4, 0)])
def test_logits_must_have_three_axes(shape):
    with pytest.raises(ValueError, match=r"need \(n, N, C\)"):
        metrics.predictions_of_runs(np.zeros(shape))
