"""The difference of the expected bests of two cells."""

import numpy as np
import pytest

from stablebert.report.statistics.scores import expected_best_of_k
from stablebert.report.statistics.trials import Trials, _expectations, best_of_k_difference

RNG = np.random.default_rng(0)
VAL = np.round(RNG.normal(70, 3, 25))  # many ties
TEST = VAL + RNG.normal(0, 2, 25)
TRIALS = Trials(validation=VAL, test=TEST, k=5)


def test_resampled_expectations_of_the_runs_themselves_are_the_expected_best_of_k():
    (expectation,) = _expectations(TRIALS, np.ones((1, 25)))
    assert expectation == pytest.approx(expected_best_of_k(VAL, TEST, 5)[0][0])


def test_resampled_expectations_are_those_of_the_repeated_runs():
    copies = np.random.default_rng(1).multinomial(25, np.full(25, 1 / 25), 3)
    for row, expectation in zip(copies, _expectations(TRIALS, copies), strict=True):
        val, test = np.repeat(VAL, row), np.repeat(TEST, row)
        assert expectation == pytest.approx(expected_best_of_k(val, test, 5)[0][0])


def test_the_difference_is_that_of_the_expected_bests():
    other = Trials(validation=VAL + 1, test=TEST + 4, k=5)
    assert best_of_k_difference(TRIALS, other, seed=0).value == pytest.approx(4)


def test_the_interval_of_single_runs_covers_the_difference_of_means_as_stated():
    """With k = 1 the expected best is the mean, whose difference has a known distribution."""
    rng, covered = np.random.default_rng(2), 0
    for seed in range(200):
        a, b = (
            Trials(validation=x, test=x, k=1) for x in (rng.normal(0, 1, 30), rng.normal(1, 2, 30))
        )
        interval = best_of_k_difference(a, b, seed=seed, resamples=1000)
        covered += interval.low <= 1 <= interval.high
    assert 0.89 <= covered / 200 <= 0.99
