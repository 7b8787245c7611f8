"""BCa intervals on samples whose quantiles are known."""

import numpy as np
import pytest
from scipy import special

from stablebert.report.statistics.bootstrap import bca_interval_of

SAMPLES = np.arange(101.0)  # the quantile q is 100 q
SYMMETRIC = [np.array([-1.0, 0.0, 1.0])]


def ends(interval):
    return [interval.low, interval.high]


def test_without_bias_and_skewness_the_ends_are_percentiles():
    interval = bca_interval_of(50.0, SAMPLES, SYMMETRIC, 0.95)
    assert ends(interval) == pytest.approx([2.5, 97.5])


def test_the_bias_correction_shifts_both_ends():
    z0, z = special.ndtri(60.5 / 101), special.ndtri(0.975)  # 60 samples below 60, one equal
    interval = bca_interval_of(60.0, SAMPLES, SYMMETRIC, 0.95)
    assert ends(interval) == pytest.approx(
        [100 * special.ndtr(2 * z0 - z), 100 * special.ndtr(2 * z0 + z)]
    )


def test_the_acceleration_is_a_sixth_of_the_skewness_of_the_influences():
    c, z = 6 / (6 * 6**1.5), special.ndtri(0.95)  # cubes of 2, -1, -1 add up to 6, squares too
    interval = bca_interval_of(50.0, SAMPLES, [np.array([2.0, -1.0, -1.0])], 0.9)
    levels = special.ndtr([-z / (1 + c * z), z / (1 - c * z)])
    assert ends(interval) == pytest.approx((100 * levels).tolist())


def test_influences_of_several_factors_count_together():
    together = bca_interval_of(50.0, SAMPLES, [np.array([2.0, -1.0, -1.0])], 0.9)
    apart = bca_interval_of(50.0, SAMPLES, [np.array([2.0]), np.array([-1.0, -1.0])], 0.9)
    assert apart == together


def test_without_influences_the_interval_is_a_point():
    interval = bca_interval_of(3.0, np.full(9, 3.0), [np.zeros(4)], 0.95)
    assert [interval.value, *ends(interval)] == [3.0, 3.0, 3.0]


@pytest.mark.parametrize("estimate", [-1.0, 101.0])
def test_an_estimate_outside_all_samples_has_a_finite_interval(estimate):
    assert np.isfinite(ends(bca_interval_of(estimate, SAMPLES, SYMMETRIC, 0.95))).all()
