"""The best learning rate and the range around it: by hand, and on curves with a known optimum."""

import math

import numpy as np
import pytest
import scipy.stats

from stablebert.report.statistics.rates import rate_curve
from tests.helpers.shares import approx_share

RATES = [1e-5, 2e-5, 4e-5, 8e-5, 16e-5]


def curve_of(means, **options):
    """Return the curve of one run per rate."""
    return rate_curve(RATES[: len(means)], means, **options)


def draw_curve(rng, n=20, sd=0.01):
    """Return the curve of n runs per rate whose true mean is best at 4e-5.

    It loses 0.4 points one step from there, and 1.6 points two steps from there.
    """
    rates = np.repeat(RATES, n)
    means = 0.7 - 0.004 * np.log2(rates / 4e-5) ** 2
    return rate_curve(rates, means + rng.normal(0, sd, len(rates)))


def test_runs_in_any_order_are_grouped_by_rate():
    curve = rate_curve([2e-5, 1e-5, 2e-5], [0.9, 0.7, 0.3])
    assert (curve.rates, curve.best) == ([1e-5, 2e-5], 1e-5)


@pytest.mark.parametrize(
    ("means", "best", "low", "high"),
    [
        ([0.60, 0.695, 0.70, 0.69, 0.60], 4e-5, 2e-5, 8e-5),
        ([0.60, 0.65, 0.70, 0.65, 0.60], 4e-5, 4e-5, 4e-5),
        ([0.70, 0.65, 0.71, 0.70, 0.60], 4e-5, 4e-5, 8e-5),  # a gap ends the range
        ([0.60, 0.65, 0.70, 0.70, 0.60], 4e-5, 4e-5, 8e-5),  # the first of equal means
        ([0.70, 0.70, 0.70, 0.70, 0.70], 1e-5, 1e-5, 16e-5),
    ],
)
def test_the_best_rate_and_its_range_by_hand(means, best, low, high):
    curve = curve_of(means)
    assert (curve.best, curve.low, curve.high) == (best, low, high)


def test_means_equal_up_to_rounding_are_equal():
    assert curve_of([0.3, 0.1 + 0.2]).best == 1e-5


def test_a_loss_of_exactly_the_tolerance_does_not_matter():
    curve = curve_of([0.60, 0.67, 0.70], tolerance=0.03)  # 0.70 - 0.03 is below 0.67 by rounding
    assert curve.low == 2e-5


@pytest.mark.parametrize(
    ("means", "octaves"), [([0.5, 0.7, 0.7, 0.7, 0.5], 2), ([0.5, 0.7, 0.5], 0), ([0.7] * 5, 4)]
)
def test_the_range_is_measured_in_octaves(means, octaves):
    assert curve_of(means).octaves == pytest.approx(octaves)


@pytest.mark.parametrize(
    ("means", "best", "low", "high"),
    [
        ([0.60, 0.65, 0.70, 0.65, 0.60], False, False, False),
        ([0.70, 0.65, 0.60], True, True, False),
        ([0.60, 0.65, 0.70], True, False, True),
        ([0.60, 0.70, 0.695], False, False, True),
        ([0.695, 0.70, 0.60], False, True, False),
    ],
)
def test_the_edges_of_the_grid_leave_it_unresolved(means, best, low, high):
    curve = curve_of(means)
    assert (curve.best_is_at_edge, curve.low_is_at_edge, curve.high_is_at_edge) == (best, low, high)


@pytest.mark.parametrize(
    ("rates", "scores", "problem"),
    [
        ([1e-5, 2e-5], [0.5], "2 rates but 1 validation scores"),
        ([1e-5, 1e-5], [0.5, 0.6], "two or more"),
        ([0.0, 1e-5], [0.5, 0.6], "positive"),
        ([1e-5, 2e-5], [0.5, math.nan], "not finite"),
    ],
)
def test_invalid_runs_are_refused(rates, scores, problem):
    with pytest.raises(ValueError, match=problem):
        rate_curve(rates, scores)


def test_a_negative_tolerance_is_refused():
    with pytest.raises(ValueError, match=r"tolerance=-0\.1"):
        curve_of([0.5, 0.6], tolerance=-0.1)


def best_is_found(n, sd=0.01):
    """Return the probability that the mean at 4e-5 is above those of the other rates."""
    losses = np.array([0.016, 0.004, 0.004, 0.016])
    covariance = (np.eye(4) + 1) * sd**2 / n  # of the differences from one mean
    return scipy.stats.multivariate_normal(np.zeros(4), covariance).cdf(losses)


def found_share(n, trials):
    rng = np.random.default_rng(0)
    return np.mean([np.isclose(draw_curve(rng, n).best, 4e-5) for _ in range(trials)])


def test_the_optimum_is_found_as_often_as_the_means_are_in_order():
    assert found_share(20, 200) == approx_share(best_is_found(20), 200)


@pytest.mark.stress
@pytest.mark.parametrize("n", [5, 20, 100])
def test_more_runs_find_the_optimum_more_often(n):
    """In 60, 83, and 99.5 % of grids."""
    assert found_share(n, 4000) == approx_share(best_is_found(n), 4000)


def test_twenty_runs_per_rate_recover_the_range():
    """The true range within one point is 2e-5 to 8e-5: two octaves."""
    rng = np.random.default_rng(0)
    octaves = [draw_curve(rng).octaves for _ in range(200)]
    assert np.median(octaves) == pytest.approx(2)
    assert np.mean(octaves) == pytest.approx(2, abs=0.2)
