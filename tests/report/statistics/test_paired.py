"""Paired statistics by hand, against scipy, and on simulated methods that share seeds."""

import math

import numpy as np
import pytest
import scipy.stats

from stablebert.report.statistics import paired
from stablebert.report.statistics.scores import Interval, welch_test
from tests.helpers.shares import approx_share


def draw_pairs(rng, n, difference=0.0, draw_noise=np.random.Generator.standard_normal):
    """Return scores of two methods with a common part per seed."""
    common = rng.normal(70, 2, n)
    return common + draw_noise(rng, n), common + draw_noise(rng, n) + difference


def rejected_share(trials, n, **options):
    rng = np.random.default_rng(0)
    p = [
        paired.sign_flip_test(*draw_pairs(rng, n, **options), seed=i, resamples=1999)
        for i in range(trials)
    ]
    return np.mean(np.array(p) <= 0.05)


def covered_share(trials, n, draw_noise, **options):
    """Return how often the interval of a true difference of 0 contains it."""
    rng = np.random.default_rng(0)
    hits = 0
    for i in range(trials):
        a, b = draw_pairs(rng, n, draw_noise=draw_noise)
        interval = paired.bca_interval(a, b, seed=i, **options)
        hits += interval.low <= 0 <= interval.high
    return hits / trials


def often_failing(rng, n):
    """Return noise with heavy tails: one of eight runs fails."""
    return np.where(rng.random(n) < 1 / 8, -10.0, 0.0) + rng.standard_normal(n)


# ---------------------------------------------------------------- differences


def test_differences_are_those_of_the_second_method_from_the_first():
    assert paired.paired_differences([1.0, 2.0], [3.0, 1.0]).tolist() == [2.0, -1.0]


def test_differences_equal_up_to_rounding_are_equal():
    assert np.ptp(paired.paired_differences([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])) == 0


@pytest.mark.parametrize(
    "statistic",
    [
        lambda a, b: paired.sign_flip_test(a, b, seed=0),
        lambda a, b: paired.bca_interval(a, b, seed=0),
        paired.pairing_gain,
    ],
)
@pytest.mark.parametrize(
    ("a", "problem"),
    [([1.0] * 6, "6 and 5 scores"), ([1.0, 2, 3, 4, math.nan], "1 of 5 scores are not finite")],
)
def test_scores_must_be_finite_and_in_pairs(statistic, a, problem):
    with pytest.raises(ValueError, match=problem):
        statistic(a, [1.0, 2, 3, 4, 5])


# ---------------------------------------------------------------- sign-flip test


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0, 2, 3], 2 / 8),
        ([-1.0, -2, -3], 2 / 8),
        ([2.0, 2, -1], 4 / 8),  # 3 and 5 in both directions
        ([2.0, 2, -1, 0, 0], 4 / 8),
        ([1.0, -1], 1.0),
        ([0.0, 0], 1.0),
        ([0.1, 0.2, -0.3], 1.0),  # 0.1 + 0.2 - 0.3 is 5.6e-17
    ],
)
def test_the_sign_flip_test_by_hand(differences, p):
    assert paired.sign_flip_test(np.zeros(len(differences)), differences, seed=0) == p


def test_five_pairs_cannot_reach_the_level():
    assert paired.sign_flip_test(np.zeros(5), np.arange(1.0, 6), seed=0) == 2 / 2**5


@pytest.mark.parametrize("case", range(4))
def test_the_sign_flip_test_is_scipys_permutation_test_of_pairs(case):
    a, b = draw_pairs(np.random.default_rng(case), 9, difference=1.0)
    expected = scipy.stats.permutation_test(
        (a, b),
        lambda x, y, axis: (y - x).mean(axis=axis),
        permutation_type="samples",
        n_resamples=math.inf,
        vectorized=True,
    )
    assert paired.sign_flip_test(a, b, seed=0) == pytest.approx(expected.pvalue, rel=1e-12)


def test_twenty_pairs_are_enumerated():
    a, b = draw_pairs(np.random.default_rng(1), 20, difference=1.0)
    assert paired.sign_flip_test(a, b, seed=0) == paired.sign_flip_test(a, b, seed=1)


def test_random_signs_approximate_the_enumeration(monkeypatch):
    a, b = draw_pairs(np.random.default_rng(0), 12, difference=0.5)
    exact = paired.sign_flip_test(a, b, seed=0)
    monkeypatch.setattr(paired, "EXACT_MAX_PAIRS", 0)
    assert 0.02 < exact < 0.5
    assert paired.sign_flip_test(a, b, seed=0) == approx_share(exact, 20_000)


def test_the_p_value_of_random_signs_is_never_zero():
    p = paired.sign_flip_test(np.zeros(60), np.ones(60), seed=0, resamples=99)
    assert p == 1 / 100


def test_random_signs_depend_on_the_seed_only():
    a, b = draw_pairs(np.random.default_rng(0), 40)
    p = [paired.sign_flip_test(a, b, seed=seed, resamples=500) for seed in (3, 3, 4)]
    assert p[0] == p[1] != p[2]


def test_equal_methods_seldom_differ():
    assert rejected_share(400, 8) == approx_share(0.05, 400)


def test_pairs_find_a_difference_that_welchs_test_misses():
    a = np.array([60.0, 65, 70, 75, 80, 85])
    b = a + np.array([1, 2, 1, 3, 2, 1])
    assert paired.sign_flip_test(a, b, seed=0) < 0.05 < welch_test(a, b).p


@pytest.mark.parametrize(
    ("correlation", "welch", "sign_flips"), [(0.5, 0.006, 0.05), (-0.5, 0.113, 0.05)]
)
def test_the_error_of_welchs_test_depends_on_the_correlation_of_pairs(
    correlation, welch, sign_flips
):
    """As often as docs/statistics.md says, for ten pairs without a difference."""
    covariance = [[1, correlation], [correlation, 1]]
    pairs = np.random.default_rng(0).multivariate_normal([0, 0], covariance, (400, 10))
    p = np.array([[welch_test(*x.T).p, paired.sign_flip_test(*x.T, seed=0)] for x in pairs])
    assert (p < 0.05).mean(axis=0).tolist() == [
        approx_share(welch, 400),
        approx_share(sign_flips, 400),
    ]


@pytest.mark.stress
@pytest.mark.parametrize("n", [6, 12, 50])
@pytest.mark.parametrize("draw_noise", [np.random.Generator.standard_normal, often_failing])
def test_one_in_twenty_equal_methods_differs(n, draw_noise):
    """With 6 pairs, p can be 0.03125 and 0.0625, so fewer than one in twenty do."""
    expected = 2 / 64 if n == 6 else 0.05
    share = rejected_share(4000, n, draw_noise=draw_noise)
    assert share == approx_share(expected, 4000)


# ---------------------------------------------------------------- interval


def test_the_interval_is_scipys_bca_interval():
    """Both draw the same samples from one generator."""
    a, b = draw_pairs(np.random.default_rng(3), 20, difference=1.0, draw_noise=often_failing)
    expected = scipy.stats.bootstrap(
        (b - a,),
        np.mean,
        n_resamples=5000,
        batch=5000,
        method="BCa",
        rng=np.random.default_rng(7),
    ).confidence_interval
    got = paired.bca_interval(a, b, seed=7, resamples=5000)
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_the_value_of_the_interval_is_the_mean_difference():
    got = paired.bca_interval(np.zeros(5), [1.0, 2, 3, 4, 10], seed=0)
    assert got.value == 4.0


def test_the_interval_of_equal_differences_is_a_point():
    got = paired.bca_interval([0.1, 0.2, 0.3, 0.4, 0.5], [0.2, 0.3, 0.4, 0.5, 0.6], seed=0)
    assert got == Interval(value=pytest.approx(0.1), low=got.value, high=got.value)


def test_the_interval_needs_five_pairs():
    with pytest.raises(ValueError, match="at least 5"):
        paired.bca_interval(np.zeros(4), np.ones(4), seed=0)


def test_the_interval_covers_the_true_difference():
    share = covered_share(200, 20, np.random.Generator.standard_normal, resamples=400)
    assert 0.88 <= share <= 0.98


@pytest.mark.stress
@pytest.mark.parametrize(
    ("draw_noise", "expected"), [(np.random.Generator.standard_normal, 0.93), (often_failing, 0.88)]
)
def test_failing_runs_lower_the_coverage_of_the_interval(draw_noise, expected):
    """Of 20 pairs, and as low as docs/statistics.md says; with more it approaches 0.95."""
    share = covered_share(4000, 20, draw_noise, resamples=2000)
    assert share == pytest.approx(expected, abs=0.02)
    assert covered_share(1000, 200, draw_noise, resamples=2000) == approx_share(0.95, 1000)


# ---------------------------------------------------------------- gain


def test_the_gain_of_pairs_by_hand():
    """Both variances are 1, that of the differences 0, 1, -1 is 1 as well."""
    gain = paired.pairing_gain([1.0, 2, 3], [1.0, 3, 2])
    assert (gain.correlation, gain.variance_ratio) == pytest.approx((0.5, 0.5))


def test_a_constant_method_has_no_correlation():
    gain = paired.pairing_gain([1.0, 1, 1], [1.0, 2, 3])
    assert math.isnan(gain.correlation)
    assert gain.variance_ratio == 1.0


def test_two_constant_methods_have_no_gain():
    assert math.isnan(paired.pairing_gain([1.0, 1], [2.0, 2]).variance_ratio)


def test_the_gain_of_pairs_recovers_the_common_part():
    """The common part has variance 4, each method's own 1: correlation 4/5, ratio 1/5."""
    gain = paired.pairing_gain(*draw_pairs(np.random.default_rng(0), 20_000))
    assert (gain.correlation, gain.variance_ratio) == pytest.approx((0.8, 0.2), abs=0.01)
