"""Every statistic on cases done by hand, against scipy, and on the paper's own printed numbers."""

import math

import numpy as np
import pytest
import scipy.stats

from stablebert.report.paper import paper_numbers
from stablebert.report.statistics import scores as stats
from tests.helpers.printed import PrintedScore, t_from_printed, t_range_from_printed

A, B = [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 7.0]


def normal(seed, n, mean=0.0, sd=1.0):
    return np.random.default_rng(seed).normal(mean, sd, n)


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


# ---------------------------------------------------------------- best of k


def test_best_of_two_by_hand():
    """The max of two draws from 1, 2, 4 is 1, 2 and 4 in 1, 3 and 5 of 9 cases: mean 27/9."""
    mean, sd = stats.expected_best_of_k([4, 1, 2], [4, 1, 2], [1, 2])
    assert mean == pytest.approx([7 / 3, 3.0])
    assert sd == pytest.approx([math.sqrt(14 / 9), math.sqrt(93 / 9 - 9)])


@pytest.mark.parametrize("k", [1, 5, 50])
def test_best_of_k_is_the_closed_form_of_dodge_et_al(k):
    v, ranks = np.sort(normal(3, 50)), np.arange(1, 51)
    p = (ranks / 50) ** k - ((ranks - 1) / 50) ** k
    mean, sd = stats.expected_best_of_k(v[::-1], v[::-1], k)
    assert mean == pytest.approx([(p * v).sum()])
    assert sd == pytest.approx([math.sqrt((p * (v - mean) ** 2).sum())])


def test_validation_selects_and_test_is_reported():
    """Validation prefers the run with the worst test score: the more draws, the worse."""
    mean, _ = stats.expected_best_of_k([1, 2, 3], [0.9, 0.6, 0.3], [1, 2, 1000])
    assert mean == pytest.approx([0.6, (0.9 + 3 * 0.6 + 5 * 0.3) / 9, 0.3])


@pytest.mark.parametrize("test", [[1.0, 0.0, 9.0], [0.0, 1.0, 9.0]])
def test_runs_with_equal_validation_scores_are_selected_equally_often(test):
    mean, sd = stats.expected_best_of_k([5, 5, 1], test, [1000])
    assert (mean, sd) == (pytest.approx([0.5]), pytest.approx([0.5]))


@pytest.fixture(scope="module")
def validation_and_test():
    """Scores of 50 runs with many equal validation scores, as on 138 rows."""
    rng = np.random.default_rng(0)
    val = rng.integers(0, 12, 50) / 12
    return val, val / 2 + rng.normal(0, 0.2, 50)


def resample(val, test, k, times=40_000):
    """Fig. 4: test scores of the best of k runs drawn with replacement; the first of equals."""
    draws = np.random.default_rng(k).integers(0, len(val), (times, k))
    return test[draws[np.arange(times), val[draws].argmax(axis=1)]]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_the_closed_form_is_the_papers_resampling(validation_and_test, k):
    scores = resample(*validation_and_test, k)
    mean, sd = stats.expected_best_of_k(*validation_and_test, k)
    assert scores.mean() == pytest.approx(mean[0], abs=4 * scores.std() / math.sqrt(len(scores)))
    assert scores.std() == pytest.approx(sd[0], rel=0.02)


@pytest.mark.parametrize("k", [3, 10])
def test_breaking_ties_by_test_score_would_be_optimistic(validation_and_test, k):
    val, test = validation_and_test
    scores = resample(val, test, k)
    optimistic, _ = stats.expected_best_of_k(val + 1e-9 * test, test, k)
    assert optimistic[0] > scores.mean() + 4 * scores.std() / math.sqrt(len(scores))


@pytest.mark.parametrize(
    ("val", "ks", "problem"),
    [([1, 2, 3], 1, "3 validation scores but 2 test"), ([1, 2], [1, 0], "k=0")],
)
def test_best_of_k_refuses_invalid_input(val, ks, problem):
    with pytest.raises(ValueError, match=problem):
        stats.expected_best_of_k(val, [1, 2], ks)


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


def distances(x):
    return abs(x - np.median(x))


@pytest.mark.parametrize("case", range(4))
def test_brown_forsythe_is_welchs_test_of_the_distances_from_the_medians(case):
    a, b = normal(case, 20, 5, 2.0), normal(case + 50, 15 + case, 9, 1.0)
    expected = scipy.stats.ttest_ind(distances(b), distances(a), equal_var=False)
    got = stats.brown_forsythe_test(a, b)
    assert (got.t, got.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_brown_forsythe_is_about_levenes_test_for_similar_spreads():
    a, b = normal(1, 30, 5, 2.0), normal(51, 30, 9, 1.5)
    expected = scipy.stats.levene(a, b, center="median").pvalue
    assert stats.brown_forsythe_test(a, b).p == pytest.approx(expected, rel=0.02)


def test_brown_forsythe_does_not_exaggerate_failures_in_one_cell():
    """Levene's test gives .0003, which the correction over 24 comparisons would not stop."""
    none_failed, nine_failed = np.full(20, 0.7), np.array([0.5] * 9 + [0.7] * 11)
    assert stats.brown_forsythe_test(none_failed, nine_failed).p > 0.0008


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [
        ([1.0, 2, 3], [2.0, 4, 6], 2.0),
        ([1.0, 2, 3], [2.0, 2, 2], 0.0),
        ([2.0, 2, 2], [1.0, 2, 3], math.inf),
        ([1.0, 1], [2.0, 2], math.nan),
    ],
)
def test_the_ratio_of_spreads_is_that_of_the_second_cell_to_the_first(a, b, ratio):
    assert stats.spread_ratio(a, b) == pytest.approx(ratio, nan_ok=True)


def test_brown_forsythe_of_swapped_cells_has_the_opposite_sign():
    a, b = normal(0, 20, 5, 2.0), normal(50, 15, 9, 1.0)
    forth, back = stats.brown_forsythe_test(a, b), stats.brown_forsythe_test(b, a)
    assert (back.t, back.p) == pytest.approx((-forth.t, forth.p))


WILD, CALM = [50.0, 70, 51, 70, 50, 70, 50, 71], [10.0, 11, 10, 11, 10, 11, 10, 12]


def test_brown_forsythe_sees_stability_whatever_the_mean():
    got = stats.brown_forsythe_test(WILD, CALM)
    assert got.t < 0
    assert got.p < 1e-6


def test_brown_forsythe_of_two_constant_cells_sees_no_difference():
    got = stats.brown_forsythe_test([1.0] * 5, [2.0] * 5)
    assert (got.t, got.p) == (0.0, 1.0)


MANY = [5.0, 5.1, 4.9, 5.2, 4.8]


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("swap", [False, True])
def test_brown_forsythe_needs_five_runs(n, swap):
    """The distances of two runs from their median are equal: p would be 0 for any two spreads."""
    few = [1.0, 9.0, 4.0, 7.0][:n]
    with pytest.raises(ValueError, match="at least 5"):
        stats.brown_forsythe_test(*((MANY, few) if swap else (few, MANY)))


FAILING = [np.array([50.0] * n + [70.0] * (20 - n)) for n in (2, 10)]
"""Scores of cells in which two and ten of twenty runs fail."""


def test_where_half_of_the_runs_fail_permutation_sees_what_brown_forsythe_does_not():
    assert stats.brown_forsythe_test(*FAILING).p < 1e-4
    assert 0.01 < stats.spread_permutation_test(*FAILING, seed=0) < 0.015


@pytest.mark.parametrize("swap", [False, True])
def test_permutation_of_five_runs_against_a_constant_cell_by_hand(swap):
    """Only 12 of the 252 splits are as extreme: they have 1, 2, 4, 5, and a 3 in one group."""
    cells = [[1.0, 2, 3, 4, 5], [3.0] * 5]
    p = stats.spread_permutation_test(*(reversed(cells) if swap else cells), seed=0)
    assert p == pytest.approx(12 / 252, abs=0.005)


def test_permutation_of_equal_scores_sees_nothing():
    assert stats.spread_permutation_test([0.7] * 5, [0.7] * 5, seed=0) == 1


def test_permutation_depends_on_the_seed_alone():
    p = [stats.spread_permutation_test(*FAILING, seed=seed) for seed in (0, 0, 1)]
    assert p[0] == p[1] != p[2]


def test_the_detectable_difference_is_detected_with_its_power():
    a, b = normal(8, 20, 70, 2.0), normal(9, 12, 70, 1.0)
    size = stats.detectable_difference(a, b)
    pooled = math.sqrt((19 * a.var(ddof=1) + 11 * b.var(ddof=1)) / 30)
    shift = size / (pooled * math.sqrt(1 / 20 + 1 / 12))
    critical = scipy.stats.t.ppf(0.975, 30)
    assert scipy.stats.nct.sf(critical, 30, shift) == pytest.approx(0.8, abs=1e-6)


def unit_cell():
    """Twenty scores with mean 0 and sample standard deviation 1."""
    x = np.array([-1.0, 1.0] * 10)
    return x / x.std(ddof=1)


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


# ---------------------------------------------------------------- the paper's printed numbers

CRITICAL = 1.686  # one-tailed, .05, 38 degrees of freedom


def printed_score(table, task, row, length=""):
    (number,) = (
        p
        for p in paper_numbers()
        if (p.table, p.task, p.row, p.statistic) == (table, task, row, "test")
        and length in ("", p.length)
    )
    return PrintedScore(float(number.value), float(number.sd), int(number.n))


COLA_REINIT, COLA_STANDARD = PrintedScore(63.9, 1.9, 20), PrintedScore(63.0, 1.5, 20)


def test_t_from_printed_numbers_is_scipys():
    first, second = PrintedScore(63.9, 1.9, 20), PrintedScore(63.0, 1.5, 12)
    expected = scipy.stats.ttest_ind_from_stats(*first, *second).statistic
    assert t_from_printed(first, second) == pytest.approx(expected)


def test_the_critical_value():
    assert scipy.stats.t.ppf(0.95, 38) == pytest.approx(CRITICAL, abs=5e-4)


def test_t_from_printed_numbers_agrees_with_the_test_of_the_scores():
    a, b = normal(10, 20), normal(11, 20, 0.7)
    first, second = (PrintedScore(x.mean(), x.std(ddof=1), 20) for x in (b, a))
    p = scipy.stats.t.sf(t_from_printed(first, second), 38)
    assert p == pytest.approx(stats.student_test(a, b))


PAPERS_TESTS = [
    (("1", "cola", "Re-init", "3epochs"), ("1", "cola", "Standard", "3epochs"), 1.66),
    (("1", "qnli_1k", "Re-init", "longer"), ("1", "qnli_1k", "Re-init", "3epochs"), 1.53),
    (("7", "rte", "XLNet Re-init"), ("7", "rte", "XLNet Standard"), 2.96),
    (("7", "mrpc", "XLNet Re-init"), ("7", "mrpc", "XLNet Standard"), 2.25),
    (("7", "cola", "XLNet Re-init"), ("7", "cola", "XLNet Standard"), 2.02),
    (("7", "rte", "RoBERTa Re-init"), ("7", "rte", "RoBERTa Standard"), 1.95),
    (("2", "rte", "Mixout"), ("2", "rte", "Standard"), 2.8),
    (("2", "cola", "Mixout"), ("2", "cola", "Standard"), -2.8),
    (("2", "mrpc", "Re-init"), ("2", "mrpc", "Standard"), 1.76),
    (("2", "cola", "Int. Task (MNLI)"), ("2", "cola", "Standard"), 1.72),
]


@pytest.mark.parametrize(("better", "worse", "t"), PAPERS_TESTS)
def test_t_of_the_papers_tables(better, worse, t):
    got = t_from_printed(printed_score(*better), printed_score(*worse))
    assert round(got, len(str(t).partition(".")[2])) == t


@pytest.mark.parametrize(("better", "worse", "t"), PAPERS_TESTS)
def test_t_is_within_the_range_that_rounding_leaves(better, worse, t):
    low, high = t_range_from_printed(printed_score(*better), printed_score(*worse))
    assert low < t < high


def test_rounding_leaves_the_verdict_on_cola_open():
    low, high = t_range_from_printed(COLA_REINIT, COLA_STANDARD)
    assert low < CRITICAL < high


def test_rounding_does_not_affect_the_verdict_on_xlnet():
    reinit, standard = PrintedScore(80.1, 1.6, 20), PrintedScore(71.7, 12.6, 20)
    assert t_range_from_printed(reinit, standard)[0] > CRITICAL


def test_the_range_of_t_by_hand():
    low, high = t_range_from_printed(COLA_REINIT, COLA_STANDARD)
    extremes = (
        (PrintedScore(63.85, 1.95, 20), PrintedScore(63.05, 1.55, 20)),
        (PrintedScore(63.95, 1.85, 20), PrintedScore(62.95, 1.45, 20)),
    )
    expected = [t_from_printed(first, second) for first, second in extremes]
    assert [low, high] == pytest.approx(expected)


def test_the_range_of_swapped_cells_is_mirrored():
    low, high = t_range_from_printed(COLA_REINIT, COLA_STANDARD)
    mirrored = t_range_from_printed(COLA_STANDARD, COLA_REINIT)
    assert mirrored == (pytest.approx(-high), pytest.approx(-low))


def test_deviations_that_print_as_zero_give_an_infinite_t():
    first, second = PrintedScore(91.7, 0.0, 20), PrintedScore(91.6, 0.0, 20)
    low, high = t_range_from_printed(first, second)
    assert (low, high) == (pytest.approx(0.0, abs=1e-9), math.inf)


MARKED = {
    "rte": {"73.1", "72.3", "72.6"},
    "mrpc": {"91.4"},
    "stsb": {"89.9"},
    "cola": {"63.9", "63.0"},
    "rte_1k": {"65.8", "65.2", "65.6"},
    "mrpc_1k": {"86.0"},
    "stsb_1k": {"88.4"},
    "cola_1k": {"48.8", "48.4"},
    "sst2_1k": {"91.2"},
    "qnli_1k": {"82.1", "81.9"},
    "qqp_1k": {"77.6", "77.4"},
    "mnli_1k": {"68.8"},
}


@pytest.mark.parametrize("task", MARKED)
def test_the_papers_numbers_give_the_papers_marks(task):
    """Runs with exactly the printed mean and deviation are marked as in Table 1."""
    numbers = [p for p in paper_numbers() if p.table == "1" and p.task == task]
    cells = [float(p.value) + float(p.sd) * unit_cell() for p in numbers]
    marks = stats.marks_of_the_paper(cells)
    assert {p.value for p, marked in zip(numbers, marks, strict=True) if marked} == MARKED[task]
