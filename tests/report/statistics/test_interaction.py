"""The difference of two differences of means."""

import numpy as np
import pytest
from scipy import stats

from stablebert.report.statistics.interaction import difference_of_differences

CELLS = [
    np.array([1.0, 2.0, 4.0, 3.0]),
    np.array([5.0, 7.0, 6.5, 9.0, 8.0]),
    np.array([2.0, 2.5, 1.0]),
    np.array([3.0, 4.5, 3.5, 2.0, 3.0, 4.0]),
]


def test_value_interval_and_p_are_welchs_contrast_by_hand():
    a, b, c, d = CELLS
    parts = np.array([x.var(ddof=1) / len(x) for x in CELLS])
    df = parts.sum() ** 2 / (parts**2 / [3, 4, 2, 5]).sum()
    value, error = (d.mean() - c.mean()) - (b.mean() - a.mean()), np.sqrt(parts.sum())
    interval, p = difference_of_differences((a, b), (c, d))
    assert interval.value == pytest.approx(value)
    half = stats.t.ppf(0.975, df) * error
    assert (interval.low, interval.high) == pytest.approx((value - half, value + half))
    assert p == pytest.approx(2 * stats.t.sf(abs(value) / error, df))


def test_runs_that_do_not_vary_show_nothing():
    _, p = difference_of_differences(([1, 1], [2, 2]), ([1, 1], [5, 5]))
    assert p == 1
