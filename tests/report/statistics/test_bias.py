"""The analytic bias ratio: by hand, and against the one that runs log."""

import pytest

from stablebert.optim.bias_ratio import analytic_bias_ratio
from stablebert.report.statistics.bias import bias_ratios

BETAS = (0.9, 0.999)


def test_the_ratio_at_the_first_step_is_the_root_of_ten():
    assert bias_ratios([1], BETAS)[0] == pytest.approx(10**0.5)  # 0.1 / sqrt(0.001)


def test_the_ratio_peaks_at_step_twelve():
    ratios = bias_ratios(range(1, 1001), BETAS)
    assert (ratios.argmax() + 1, round(ratios.max(), 2)) == (12, 6.57)


@pytest.mark.parametrize("betas", [BETAS, (0.8, 0.98)])
def test_the_curve_is_the_one_that_runs_log(betas):
    steps = [1, 2, 12, 96, 5000]
    expected = [analytic_bias_ratio(step, betas) for step in steps]
    assert bias_ratios(steps, betas).tolist() == pytest.approx(expected)
