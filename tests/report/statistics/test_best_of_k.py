"""The expected best of k runs: by hand, in closed form, and as the paper resamples it."""

import math

import numpy as np
import pytest

from stablebert.report.statistics import scores as stats
from tests.helpers.samples import normal


def test_best_of_two_by_hand():
    """The max of two draws from 1, 2, 4 is 1, 2 and 4 in 1, 3 and 5 of 9 cases: mean 27/9."""
    mean, sd = stats.expected_best_of_k([4, 1, 2], [4, 1, 2], [1, 2])
    assert mean == pytest.approx([7 / 3, 3.0])
    assert sd == pytest.approx([math.sqrt(14 / 9), math.sqrt(93 / 9 - 9)])


@pytest.mark.parametrize("k", [1, 5, 50])
def test_best_of_k_is_the_closed_form_of_dodge_et_al(k):
    v, ranks = np.sort(normal(3, 50)), np.arange(1, 51)
    p = (ranks / 50) ** k - ((ranks - 1) / 50) ** k
    mean, sd = stats.expected_best_of_k(v[::-1], v[::-1], k)
    assert mean == pytest.approx([(p * v).sum()])
    assert sd == pytest.approx([math.sqrt((p * (v - mean) ** 2).sum())])


def test_validation_selects_and_test_is_reported():
    """Validation prefers the run with the worst test score: the more draws, the worse."""
    mean, _ = stats.expected_best_of_k([1, 2, 3], [0.9, 0.6, 0.3], [1, 2, 1000])
    assert mean == pytest.approx([0.6, (0.9 + 3 * 0.6 + 5 * 0.3) / 9, 0.3])


@pytest.mark.parametrize("test", [[1.0, 0.0, 9.0], [0.0, 1.0, 9.0]])
def test_runs_with_equal_validation_scores_are_selected_equally_often(test):
    mean, sd = stats.expected_best_of_k([5, 5, 1], test, [1000])
    assert (mean, sd) == (pytest.approx([0.5]), pytest.approx([0.5]))


@pytest.fixture(scope="module")
def validation_and_test():
    """Scores of 50 runs with many equal validation scores, as on 138 rows."""
    rng = np.random.default_rng(0)
    val = rng.integers(0, 12, 50) / 12
    return val, val / 2 + rng.normal(0, 0.2, 50)


def resample(val, test, k, times=40_000):
    """Fig. 4: test scores of the best of k runs drawn with replacement; the first of equals."""
    draws = np.random.default_rng(k).integers(0, len(val), (times, k))
    return test[draws[np.arange(times), val[draws].argmax(axis=1)]]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_the_closed_form_is_the_papers_resampling(validation_and_test, k):
    scores = resample(*validation_and_test, k)
    mean, sd = stats.expected_best_of_k(*validation_and_test, k)
    assert scores.mean() == pytest.approx(mean[0], abs=4 * scores.std() / math.sqrt(len(scores)))
    assert scores.std() == pytest.approx(sd[0], rel=0.02)


@pytest.mark.parametrize("k", [3, 10])
def test_breaking_ties_by_test_score_would_be_optimistic(validation_and_test, k):
    val, test = validation_and_test
    scores = resample(val, test, k)
    optimistic, _ = stats.expected_best_of_k(val + 1e-9 * test, test, k)
    assert optimistic[0] > scores.mean() + 4 * scores.std() / math.sqrt(len(scores))


@pytest.mark.parametrize(
    ("val", "ks", "problem"),
    [([1, 2, 3], 1, "3 validation scores but 2 test"), ([1, 2], [1, 0], "k=0")],
)
def test_best_of_k_refuses_invalid_input(val, ks, problem):
    with pytest.raises(ValueError, match=problem):
        stats.expected_best_of_k(val, [1, 2], ks)
