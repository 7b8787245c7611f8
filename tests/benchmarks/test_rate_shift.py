"""Shift of one curve of scores over learning rates against another."""

import numpy as np
import pytest

from benchmarks.rate_shift import rate_shift

RATES = [2.0**k for k in range(7)]


def hill(rates):
    """Scores with a best rate of 4; straight lines in the logarithm, so interpolation is exact."""
    return 80 - 10 * np.abs(np.log2(rates) - 2)


@pytest.mark.parametrize("factor", [1, 4, 8])
def test_the_factor_between_two_curves_is_found(factor):
    scores = np.tile(hill(np.array(RATES)), (3, 1))
    shifted = np.tile(hill(np.array(RATES) * factor), (3, 1))
    found = rate_shift(RATES, scores, shifted, draws=10)
    assert found.factor.value == pytest.approx(factor)
    assert (found.factor.low, found.factor.high) == pytest.approx((factor, factor))
    assert found.error == pytest.approx(0, abs=1e-9)
    gap = hill(np.array(RATES)) - hill(np.array(RATES) * factor)
    assert found.unshifted == pytest.approx(np.sqrt(np.mean(gap**2)))


def test_the_interval_of_the_factor_widens_with_the_spread_over_seeds():
    rng = np.random.default_rng(0)
    widths = []
    for sd in (1, 5):
        scores, shifted = (
            hill(np.array(RATES) * f) + rng.normal(0, sd, (5, len(RATES))) for f in (1, 2)
        )
        factor = rate_shift(RATES, scores, shifted).factor
        assert factor.low <= 2 <= factor.high
        widths.append(factor.high / factor.low)
    assert widths[0] < widths[1]


def test_shifts_that_leave_too_little_overlap_are_not_considered():
    """With four rates a factor of 2 apart, shifts of up to 2 leave an overlap of three rates."""
    flat = np.tile(hill(np.array(RATES)), (2, 1))
    found = rate_shift(RATES[:4], flat[:, :4], flat[:, :4] * 0, draws=5)
    assert found.factor.value <= 2
