"""Measures of disagreement on cases done by hand, and their invariances."""

import math
from itertools import combinations

import numpy as np
import pytest

from stablebert.report.statistics import disagreement as measures

# 14 raters, 10 subjects, 5 categories: the worked example of https://en.wikipedia.org/wiki/Fleiss'_kappa
RATINGS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
# runs x rows: of the 3 pairs, 0, 2, 2 and 0 differ
CLASSES = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 0, 1]])


def draw_logits(runs=5, rows=12, classes=3, seed=0):
    return np.random.default_rng(seed).normal(0, 2, (runs, rows, classes))


def shuffled(values, axis, seed=1):
    return np.take(values, np.random.default_rng(seed).permutation(values.shape[axis]), axis)


MEASURES = {
    "pairwise_disagreement": lambda logits: measures.pairwise_disagreement(logits.argmax(2)),
    "fleiss_kappa": lambda logits: measures.fleiss_kappa(logits.argmax(2)),
    "jensen_shannon_divergence": measures.jensen_shannon_divergence,
    "prediction_sd": lambda logits: measures.prediction_sd(logits[:, :, 0]),
}
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def test_pairwise_disagreement_by_hand():
    assert measures.pairwise_disagreement(CLASSES) == pytest.approx(4 / 12)


def test_pairwise_disagreement_is_the_mean_over_pairs():
    classes = draw_logits().argmax(2)
    pairs = [np.mean(a != b) for a, b in combinations(classes, 2)]
    assert measures.pairwise_disagreement(classes) == pytest.approx(np.mean(pairs))


def test_kappa_by_hand():
    # agreement 8/12; 5 of 12 predictions are class 0, 7 of 12 class 1
    chance = (5**2 + 7**2) / 12**2
    assert measures.fleiss_kappa(CLASSES) == pytest.approx((8 / 12 - chance) / (1 - chance))


def test_kappa_of_the_worked_example():
    classes = np.array([np.repeat(range(5), counts) for counts in RATINGS]).T
    assert measures.fleiss_kappa(classes) == pytest.approx(0.210, abs=5e-4)


def test_kappa_of_the_worked_example_whoever_gave_which_rating():
    rng = np.random.default_rng(0)
    columns = [rng.permutation(np.repeat(range(5), counts)) for counts in RATINGS]
    assert measures.fleiss_kappa(np.array(columns).T) == pytest.approx(0.210, abs=5e-4)


def test_kappa_is_zero_on_average_for_predictions_by_chance():
    classes = np.random.default_rng(0).choice(3, (20, 20_000), p=[0.6, 0.3, 0.1])
    assert measures.fleiss_kappa(classes) == pytest.approx(0, abs=0.005)


def test_kappa_of_runs_that_always_predict_the_same_class_is_undefined():
    assert math.isnan(measures.fleiss_kappa(np.ones((4, 6))))


def test_two_runs_that_always_differ_have_kappa_minus_one():
    assert measures.fleiss_kappa([[0, 1, 0, 1], [1, 0, 1, 0]]) == -1


def test_divergence_by_hand():
    # p = (3/4, 1/4), q = (1/4, 3/4), m = (1/2, 1/2)
    logits = [[[math.log(3), 0]], [[0, math.log(3)]]]
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert measures.jensen_shannon_divergence(logits) == pytest.approx(expected)


def test_divergence_is_the_mean_over_rows_and_pairs():
    logits = draw_logits()
    p = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)

    def entropy(x):
        return -(x * np.log(x)).sum(1)

    pairs = [entropy((a + b) / 2) - (entropy(a) + entropy(b)) / 2 for a, b in combinations(p, 2)]
    assert measures.jensen_shannon_divergence(logits) == pytest.approx(np.mean(pairs))


def test_divergence_of_runs_that_are_certain_of_different_classes_is_ln_2():
    logits = [[[1e4, -1e4]], [[-1e4, 1e4]]]
    assert measures.jensen_shannon_divergence(logits) == pytest.approx(math.log(2))


def test_divergence_ignores_what_softmax_ignores():
    logits = draw_logits()
    shifted = logits + np.random.default_rng(1).normal(0, 100, logits.shape[:2])[:, :, None]
    expected = pytest.approx(measures.jensen_shannon_divergence(logits))
    assert measures.jensen_shannon_divergence(shifted) == expected


def test_divergence_refuses_a_regression():
    with pytest.raises(ValueError, match="use prediction_sd"):
        measures.jensen_shannon_divergence(draw_logits(classes=1))


def test_prediction_sd_by_hand():
    assert measures.prediction_sd([[1.0, 2.0], [3.0, 2.0]]) == pytest.approx(1.0)


def test_twice_the_square_of_prediction_sd_is_the_mean_squared_difference_of_two_runs():
    x = draw_logits()[:, :, 0]
    expected = np.mean([(a - b) ** 2 for a, b in combinations(x, 2)])
    assert 2 * measures.prediction_sd(x) ** 2 == pytest.approx(expected)


@pytest.mark.parametrize("name", ["pairwise_disagreement", "jensen_shannon_divergence"])
def test_identical_runs_do_not_differ(name):
    assert MEASURES[name](np.repeat(draw_logits(1), 4, axis=0)) == 0


def test_identical_regressions_have_no_deviation():
    logits = np.repeat(draw_logits(1), 4, axis=0)
    assert MEASURES["prediction_sd"](logits) == pytest.approx(0, abs=1e-12)


def test_identical_runs_have_kappa_one():
    assert MEASURES["fleiss_kappa"](np.repeat(draw_logits(1), 4, axis=0)) == pytest.approx(1)


@every_measure
@pytest.mark.parametrize("axis", [0, 1])
def test_no_measure_depends_on_the_order_of_runs_or_rows(measure, axis):
    logits = draw_logits()
    assert measure(shuffled(logits, axis)) == pytest.approx(measure(logits))


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"prediction_sd"}))
def test_no_measure_depends_on_the_order_of_classes(name):
    logits = draw_logits()
    assert MEASURES[name](logits[:, :, ::-1]) == pytest.approx(MEASURES[name](logits))


@pytest.mark.parametrize(
    "call",
    [
        measures.jensen_shannon_divergence,
        lambda x: measures.pairwise_disagreement(x[:, :, 0]),
        lambda x: measures.fleiss_kappa(x[:, :, 0]),
        lambda x: measures.prediction_sd(x[:, :, 0]),
        lambda x: measures.score_ensemble("accuracy", x, np.zeros(x.shape[1])),
    ],
)
def test_values_that_are_not_finite_are_counted(call):
    logits = draw_logits()
    logits[1, 2:4, 0] = math.nan
    logits[3, 0, 0] = math.inf
    with pytest.raises(ValueError, match="3 values of 2 runs are not finite"):
        call(logits)


@every_measure
def test_one_run_is_too_few(measure):
    with pytest.raises(ValueError, match="n at least 2"):
        measure(draw_logits(runs=1))


def test_ensemble_averages_probabilities_not_votes():
    # two runs lean to class 0 with 0.6, one is certain of class 1: mean 0.4 against 0.6
    logits = np.log([[[0.6, 0.4]], [[0.6, 0.4]], [[1e-9, 1 - 1e-9]]])
    score = measures.score_ensemble("accuracy", logits, [1])
    assert score == measures.EnsembleScore(ensemble=1.0, mean_run=pytest.approx(1 / 3))


def test_ensemble_averages_probabilities_not_logits():
    # logits of class 1 against 0: +9 once, -4 twice; their mean is above 0, that of p_1 below 1/2
    logits = [[[0.0, 9.0]], [[0.0, -4.0]], [[0.0, -4.0]]]
    assert measures.score_ensemble("accuracy", logits, [0]).ensemble == 1


def test_ensemble_of_a_regression_averages_predictions():
    labels = [0.0, 1, 2, 3]
    logits = np.array([[0.0, 2, 1, 4], [0.0, 1, 4, 4]])[:, :, None]  # mean 0, 1.5, 2.5, 4
    assert measures.score_ensemble("spearman", logits, labels).ensemble == pytest.approx(1)


def test_mean_run_is_the_mean_of_the_scores():
    logits, labels = draw_logits(), np.random.default_rng(2).integers(0, 3, 12)
    expected = np.mean(logits.argmax(2) == labels)
    score = measures.score_ensemble("accuracy", logits, labels)
    assert score.mean_run == pytest.approx(expected)


def test_identical_runs_gain_nothing_from_an_ensemble():
    logits, labels = np.repeat(draw_logits(1), 3, axis=0), np.arange(12) % 3
    score = measures.score_ensemble("accuracy", logits, labels)
    assert score.ensemble == pytest.approx(score.mean_run)
