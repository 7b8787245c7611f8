"""Fisher's exact test."""

import pytest
from scipy import stats

from stablebert.report.statistics.shares import fisher_test


@pytest.mark.parametrize(
    ("a", "n_a", "b", "n_b"),
    [(0, 10, 9, 10), (3, 20, 5, 20), (0, 50, 24, 50), (1, 5, 1, 8), (0, 5, 0, 5), (7, 7, 7, 7)],
)
def test_the_p_value_is_that_of_scipy(a, n_a, b, n_b):
    expected = stats.fisher_exact([[a, n_a - a], [b, n_b - b]]).pvalue
    assert fisher_test(a, n_a, b, n_b) == pytest.approx(expected)


def test_the_tea_tasting_lady():
    """Fisher's own example: three of four cups each; 34 of the 70 ways are as extreme."""
    assert fisher_test(1, 4, 3, 4) == pytest.approx(34 / 70)


@pytest.mark.parametrize("counts", [(3, 2, 0, 5), (-1, 5, 0, 5), (0, 0, 0, 5)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match="events in"):
        fisher_test(*counts)
