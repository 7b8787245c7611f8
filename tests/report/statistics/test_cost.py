"""Runs and hours to reach a score: by hand, against scipy, and on simulated runs."""

import math

import numpy as np
import pytest
import scipy.stats

from stablebert.report.statistics.cost import clopper_pearson, cost_of_target, runs_until_success


@pytest.mark.parametrize(
    ("p", "runs"),
    [
        (0.0, math.inf),
        (0.01, 299),
        (0.14, 20),  # log 0.05 / log 0.86 = 19.9
        (0.5, 5),  # 1/16 is above 0.05, 1/32 below
        (0.9, 2),
        (0.951, 1),
        (1.0, 1),
    ],
)
def test_runs_until_success_by_hand(p, runs):
    assert runs_until_success(p) == runs


@pytest.mark.parametrize(
    ("p", "confidence", "runs"), [(0.5, 0.75, 2), (0.1, 0.19, 2), (0.2, 0.2, 1)]
)
def test_rounding_adds_no_run(p, confidence, runs):
    assert runs_until_success(p, confidence) == runs


@pytest.mark.parametrize(("p", "confidence"), [(-0.1, 0.95), (1.1, 0.95), (0.5, 0.0), (0.5, 1.0)])
def test_probabilities_must_be_probabilities(p, confidence):
    with pytest.raises(ValueError, match=f"p={p}, confidence={confidence}"):
        runs_until_success(p, confidence)


@pytest.mark.parametrize("p", [0.05, 0.3, 0.7])
def test_the_number_of_runs_is_enough_and_one_fewer_is_not(p):
    """In 20,000 simulated campaigns of each size."""
    k = int(runs_until_success(p))
    hits = np.random.default_rng(0).random((20_000, k)) < p
    assert hits.any(axis=1).mean() > 0.95 - 0.005
    assert hits[:, :-1].any(axis=1).mean() < 0.95 + 0.005


# ---------------------------------------------------------------- interval of a share


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 20), (1, 20), (7, 20), (19, 20), (20, 20), (1, 1)]
)
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_interval_of_a_share_is_scipys(successes, n, level):
    got = clopper_pearson(successes, n, level=level)
    expected = scipy.stats.binomtest(successes, n).proportion_ci(level, "exact")
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high))
    assert got.value == successes / n


def test_no_success_in_twenty_by_hand():
    """(1 - p)^20 = 0.025 for the upper end."""
    assert clopper_pearson(0, 20).high == pytest.approx(1 - 0.025**0.05)


@pytest.mark.parametrize("p", [0.02, 0.3, 0.5, 0.99])
def test_the_interval_of_a_share_covers_every_truth(p):
    """Exactly, by adding up the probabilities of the outcomes whose interval covers p."""
    intervals = [clopper_pearson(x, 20) for x in range(21)]
    covered = [x for x, interval in enumerate(intervals) if interval.low <= p <= interval.high]
    assert scipy.stats.binom.pmf(covered, 20, p).sum() >= 0.95


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_a_share_needs_trials(successes, n):
    with pytest.raises(ValueError, match=f"{successes} successes in {n} trials"):
        clopper_pearson(successes, n)


# ---------------------------------------------------------------- cost


def test_cost_by_hand():
    """Half of the runs reach 0.7; five runs of half an hour each."""
    cost = cost_of_target([0.5, 0.6, 0.7, 0.8], [900, 2700, 1800, 1800], target=0.7)
    assert (cost.n, cost.successes, cost.probability.value) == (4, 2, 0.5)
    assert (cost.runs.value, cost.hours.value) == (5, 2.5)


def test_the_ends_of_the_probability_give_those_of_runs_and_hours():
    cost = cost_of_target([0.5, 0.6, 0.7, 0.8], [3600] * 4, target=0.7)
    low, high = scipy.stats.binomtest(2, 4).proportion_ci(0.95, "exact")
    assert cost.runs.low == cost.hours.low == runs_until_success(high)
    assert cost.runs.high == cost.hours.high == runs_until_success(low)


def test_a_score_equal_to_the_target_up_to_rounding_reaches_it():
    assert cost_of_target([0.1 + 0.2, 0.2], [1, 1], target=0.3).successes == 1
    assert cost_of_target([0.3, 0.2], [1, 1], target=0.1 + 0.2).successes == 1


def test_a_target_that_no_run_reaches_costs_infinitely_much():
    cost = cost_of_target([0.5] * 20, [60] * 20, target=0.7)
    assert (cost.runs.value, cost.runs.high, cost.hours.value) == (math.inf,) * 3
    assert cost.runs.low == 17  # p may still be 0.168


def test_a_target_that_all_runs_reach_costs_one_run():
    cost = cost_of_target([0.8] * 20, [60] * 20, target=0.7)
    assert (cost.runs.value, cost.runs.low, cost.hours.value) == (1, 1, 1 / 60)
    assert cost.runs.high == 2  # p may still be 0.832


@pytest.mark.parametrize(
    ("scores", "seconds", "problem"),
    [
        ([0.5, 0.6], [1.0], "2 validation scores but 1 durations"),
        ([0.5, 0.6], [1.0, -1.0], r"-1\.0 seconds"),
        ([0.5, math.nan], [1.0, 1.0], "1 of 2 scores are not finite"),
        ([], [], "need"),
    ],
)
def test_invalid_runs_are_refused(scores, seconds, problem):
    with pytest.raises(ValueError, match=problem):
        cost_of_target(scores, seconds, target=0.7)


def test_the_interval_of_runs_covers_the_truth():
    rng = np.random.default_rng(0)
    truth = runs_until_success(0.3)
    costs = [cost_of_target(rng.random(20), np.ones(20), target=0.7).runs for _ in range(500)]
    share = np.mean([cost.low <= truth <= cost.high for cost in costs])
    assert share >= 0.95 - 0.04
