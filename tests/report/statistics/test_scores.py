"""Statistics of one, two and many cells: by hand, and against scipy."""

import math

import numpy as np
import pytest
import scipy.stats

from stablebert.report.statistics import scores as stats
from tests.helpers.samples import normal, unit_cell

A, B = [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 7.0]


# ---------------------------------------------------------------- one cell


def test_description_by_hand():
    sd = pytest.approx(math.sqrt(56 / 3))
    expected = stats.Description(n=4, mean=4.0, sd=sd, median=3.0, min=0.0, max=10.0)
    assert stats.describe_scores([4.0, 0.0, 2.0, 10.0]) == expected


def test_one_run_has_no_deviation():
    assert math.isnan(stats.describe_scores([0.5]).sd)


def test_one_run_has_a_mean_and_median():
    description = stats.describe_scores([0.5])
    assert (description.n, description.mean, description.median) == (1, 0.5, 0.5)


def test_zero_is_a_score():
    assert stats.describe_scores([0.0, 0.0, 3.0]).mean == 1.0


def test_equal_scores_have_a_deviation_of_exactly_zero():
    assert stats.describe_scores([0.1] * 3).sd == 0.0  # np.std says 1.7e-17


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]], 3.0])
def test_scores_must_be_a_list_of_finite_numbers(bad):
    with pytest.raises(ValueError, match=r"scores"):
        stats.describe_scores(bad)


@pytest.mark.parametrize(
    "statistic",
    [
        stats.mean_difference,
        stats.student_test,
        stats.welch_test,
        stats.probability_of_improvement,
        stats.brown_forsythe_test,
        stats.detectable_difference,
    ],
)
@pytest.mark.parametrize("swap", [False, True])
def test_nan_is_an_error_in_either_cell(statistic, swap):
    finite, broken = [1.0, 2, 4, 3, 6], [1.0, 2, math.nan, 3, 4]
    a, b = (broken, finite) if swap else (finite, broken)
    with pytest.raises(ValueError, match="1 of 5 scores are not finite"):
        statistic(a, b)


def test_interquartile_mean_drops_a_quarter_at_either_end():
    x = [100.0, 0, 1, 2, 3, 4, 5, 6, 7, -90, 8, 9]  # sorted: -90 0 1 | 2 ... 7 | 8 9 100
    assert stats.interquartile_mean(x, seed=0).value == 4.5


def test_interquartile_mean_is_scipys_trimmed_mean():
    x = normal(1, 14)
    expected = scipy.stats.trim_mean(x, 0.25)
    assert stats.interquartile_mean(x, seed=0).value == pytest.approx(expected)


def test_interquartile_mean_hides_a_quarter_of_failures():
    """docs/pitfalls.md, 34: why it never appears alone."""
    x = [0.0] * 4 + [0.62] * 16
    assert stats.interquartile_mean(x, seed=0).value == pytest.approx(0.62)
    assert stats.describe_scores(x).mean == pytest.approx(0.496)


def test_interquartile_mean_needs_ten_runs():
    with pytest.raises(ValueError, match="at least 10"):
        stats.interquartile_mean(range(9), seed=0)


def test_bootstrap_depends_on_its_seed_only():
    x = normal(2, 20)
    first = stats.interquartile_mean(x, seed=5)
    np.random.seed(3)  # the global generator plays no role
    assert stats.interquartile_mean(x, seed=5) == first


@pytest.mark.parametrize("options", [{}, {"level": 0.5}])
def test_the_bootstrap_interval_has_the_quantiles_of_its_level(options):
    x, level = normal(3, 12), options.get("level", 0.95)
    samples = np.random.default_rng(4).choice(x, (2000, 12))
    expected = np.quantile(
        scipy.stats.trim_mean(samples, 0.25, axis=1), [0.5 - level / 2, 0.5 + level / 2]
    )
    got = stats.interquartile_mean(x, seed=4, **options)
    assert [got.low, got.high] == pytest.approx(expected.tolist())


def test_another_bootstrap_seed_gives_another_interval():
    first, second = (stats.interquartile_mean(normal(2, 20), seed=seed) for seed in (5, 6))
    assert first.value == second.value
    assert (first.low, first.high) != (second.low, second.high)


def test_bootstrap_interval_covers_the_true_mean():
    """95 % of normal cells of 20, roughly: with few runs a bootstrap covers a little less."""
    hits = 0
    for seed in range(200):
        iqm = stats.interquartile_mean(normal(seed, 20), seed=seed, resamples=400)
        hits += iqm.low < 0 < iqm.high
    assert 172 <= hits <= 198


# ---------------------------------------------------------------- two cells


def test_difference_by_hand():
    got = stats.mean_difference([0.0, 2.0], [5.0, 7.0])  # both sd sqrt 2, error sqrt 2, 2 df
    half = 4.302652729911275 * math.sqrt(2)
    assert (got.value, got.low, got.high) == pytest.approx((5.0, 5 - half, 5 + half))


@pytest.fixture(params=range(4))
def two_cells(request):
    case = request.param
    return normal(case, 20, 70, 2.5), normal(case + 100, 12 + case, 71.5, 0.5 + case)


def test_students_test_is_scipys_one_tailed(two_cells):
    a, b = two_cells
    expected = scipy.stats.ttest_ind(b, a, alternative="greater").pvalue
    assert stats.student_test(a, b) == pytest.approx(expected, rel=1e-9)
    assert stats.student_test(b, a) == pytest.approx(1 - expected, rel=1e-9)


@pytest.mark.parametrize("swap", [False, True])
def test_welchs_test_is_scipys_two_sided(two_cells, swap):
    a, b = reversed(two_cells) if swap else two_cells
    expected = scipy.stats.ttest_ind(b, a, equal_var=False)
    got = stats.welch_test(a, b)
    assert (got.t, got.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


def test_the_interval_of_a_difference_is_scipys(two_cells):
    a, b = two_cells
    expected = scipy.stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    got = stats.mean_difference(a, b)
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high))


SAME, HIGHER = [0.1] * 3, [0.2] * 4


@pytest.mark.parametrize(
    ("a", "b", "p"), [(SAME, HIGHER, 0.0), (HIGHER, SAME, 1.0), (SAME, SAME, 0.5)]
)
def test_without_variance_the_means_decide_students_test(a, b, p):
    assert stats.student_test(a, b) == p


@pytest.mark.parametrize(
    ("a", "b", "t", "p"),
    [
        pytest.param(SAME, HIGHER, math.inf, 2 / 35, id="two of all 35 divisions are as extreme"),
        pytest.param(HIGHER, SAME, -math.inf, 2 / 35, id="in the other direction"),
        pytest.param(SAME, SAME, 0.0, 1.0, id="equal means"),
    ],
)
def test_without_variance_the_p_of_welchs_test_is_that_of_a_permutation_test(a, b, t, p):
    got = stats.welch_test(a, b)
    assert (got.t, got.p) == (t, p)


def test_without_variance_any_difference_is_detectable():
    assert stats.detectable_difference(SAME, HIGHER) == 0.0


def test_without_variance_an_interval_is_a_point():
    got = stats.mean_difference(SAME, HIGHER)
    assert got.low == got.high == pytest.approx(0.1)


@pytest.mark.parametrize(
    "test",
    [
        stats.student_test,
        stats.welch_test,
        stats.mean_difference,
        stats.detectable_difference,
    ],
)
def test_one_run_cannot_be_tested(test):
    with pytest.raises(ValueError, match="at least 2"):
        test([1.0], B)


@pytest.mark.parametrize(
    ("a", "b", "p"), [([1, 2], [2, 3], 3.5 / 4), (A, A, 0.5), ([0.0], [0.0, 1.0], 0.75)]
)
def test_probability_of_improvement_by_hand(a, b, p):
    assert stats.probability_of_improvement(a, b) == p


def test_probability_of_improvement_is_mann_whitneys_u():
    a, b = normal(6, 9), np.round(normal(7, 11), 0)
    u = scipy.stats.mannwhitneyu(b, a).statistic
    assert stats.probability_of_improvement(a, b) == pytest.approx(u / 99)


def test_the_detectable_difference_is_detected_with_its_power():
    a, b = normal(8, 20, 70, 2.0), normal(9, 12, 70, 1.0)
    size = stats.detectable_difference(a, b)
    pooled = math.sqrt((19 * a.var(ddof=1) + 11 * b.var(ddof=1)) / 30)
    shift = size / (pooled * math.sqrt(1 / 20 + 1 / 12))
    critical = scipy.stats.t.ppf(0.975, 30)
    assert scipy.stats.nct.sf(critical, 30, shift) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(("alpha", "size"), [(0.05, 0.91), (0.05 / 48, 1.40)])
def test_twenty_seeds_detect_a_difference_in_deviations_of(alpha, size):
    got = stats.detectable_difference(unit_cell(), unit_cell(), alpha=alpha)
    assert got == pytest.approx(size, abs=0.005)


# ---------------------------------------------------------------- many cells


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.4, 0.9], [0.8, 0.9]),
        ([0.6, 0.7], [1.0, 1.0]),
        ([1.0, 0.0], [1.0, 0.0]),
    ],
)
def test_holm_by_hand(p, adjusted):
    assert stats.holm_adjust(p) == pytest.approx(adjusted)


def test_holm_of_an_empty_family_is_empty():
    assert stats.holm_adjust([]).shape == (0,)


@pytest.mark.parametrize("bad", [[0.1, math.nan], [1.2], [-0.1], [[0.1]]])
def test_holm_requires_p_values(bad):
    with pytest.raises(ValueError, match="p-values"):
        stats.holm_adjust(bad)


BEST, NEAR, FAR = [10.0, 11, 12], [9.0, 10, 12], [1.0, 2, 3]


def test_the_best_cell_and_those_it_does_not_beat_are_marked():
    assert stats.marks_of_the_paper([FAR, NEAR, BEST]) == [False, True, True]


def test_equal_cells_are_both_marked():
    assert stats.marks_of_the_paper([BEST, list(BEST)]) == [True, True]


@pytest.mark.parametrize(("margin", "marked"), [(1e-9, False), (-1e-9, True)])
def test_marks_depend_on_the_level_of_the_test(margin, marked):
    alpha = stats.student_test(NEAR, BEST) + margin
    assert stats.marks_of_the_paper([NEAR, BEST], alpha=alpha) == [marked, True]
