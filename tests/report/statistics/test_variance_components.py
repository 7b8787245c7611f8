"""Variance components by hand, by mean squares, and on tables of known variances."""

import math

import numpy as np
import pytest
import scipy.stats

from stablebert.report.statistics.variance_components import (
    arrange_scores,
    margins,
    variance_components,
)
from tests.helpers.shares import approx_share

LEVELS = np.arange(5.0)
CENTERED = LEVELS - 2


def draw_table(rng, sds, shape=(10, 10)):
    """Return scores whose effects of init, data, and both have these standard deviations."""
    rows, columns = shape
    effects = rng.normal(0, sds[0], (rows, 1)) + rng.normal(0, sds[1], columns)
    return 70 + effects + rng.normal(0, sds[2], shape)


def parts_of(result):
    return result.init, result.data, result.residual


def mean_squares(x):
    """Return the mean squares of rows, columns, and residuals."""
    rows, columns = x.shape
    row_effects = x.mean(axis=1, keepdims=True) - x.mean()
    column_effects = x.mean(axis=0) - x.mean()
    residuals = x - x.mean() - row_effects - column_effects
    return (
        columns * (row_effects**2).sum() / (rows - 1),
        rows * (column_effects**2).sum() / (columns - 1),
        (residuals**2).sum() / ((rows - 1) * (columns - 1)),
    )


def covered_shares(trials, sds, resamples):
    """Return how often the three intervals contain the true variances."""
    rng = np.random.default_rng(0)
    hits = np.zeros(3)
    for i in range(trials):
        parts = parts_of(variance_components(draw_table(rng, sds), seed=i, resamples=resamples))
        for k, (part, sd) in enumerate(zip(parts, sds, strict=True)):
            hits[k] += part.variance.low <= sd**2 <= part.variance.high
    return hits / trials


# ---------------------------------------------------------------- layout


def test_runs_in_any_order_are_arranged_by_their_seeds():
    layout = arrange_scores([4, 2, 2, 4], [7, 7, 1, 1], [0.47, 0.27, 0.21, 0.41])
    assert (layout.seed_init, layout.seed_data) == ([2, 4], [1, 7])
    assert layout.scores.tolist() == [[0.21, 0.27], [0.41, 0.47]]


def test_missing_runs_are_named():
    with pytest.raises(ValueError, match=r"no run for \(seed_init, seed_data\) = \(3, 8\); need"):
        arrange_scores([2, 2, 3], [7, 8, 7], [1.0, 2.0, 3.0])


def test_of_many_missing_runs_ten_are_named():
    with pytest.raises(ValueError, match=r"\(0, 10\) and 100 more"):
        arrange_scores(range(11), range(11), np.ones(11))


def test_repeated_runs_are_named():
    with pytest.raises(ValueError, match=r"several runs for .* = \(2, 7\); need"):
        arrange_scores([2, 2], [7, 7], [1.0, 2.0])


def test_a_score_that_is_not_finite_is_an_error():
    with pytest.raises(ValueError, match="1 of 2 scores are not finite"):
        arrange_scores([2, 2], [7, 8], [1.0, math.nan])


def test_every_run_needs_both_seeds():
    with pytest.raises(ValueError, match="2 seed_init, 1 seed_data, and 2 scores"):
        arrange_scores([2, 2], [7], [1.0, 2.0])


# ---------------------------------------------------------------- margins

TABLE = [[1.0, 2.0, 3.0], [3.0, 6.0, 9.0]]


def test_row_margins_by_hand():
    init = margins(TABLE).init
    assert init.means.tolist() == [2.0, 6.0]
    assert init.sds.tolist() == [1.0, 3.0]


def test_column_margins_by_hand():
    data = margins(TABLE).data
    assert data.means.tolist() == [2.0, 4.0, 6.0]
    assert data.sds == pytest.approx([math.sqrt(2), math.sqrt(8), math.sqrt(18)])


def test_margins_have_mean_best_and_worst_score():
    got = margins(TABLE)
    assert (got.mean, got.best, got.worst) == (4.0, 9.0, 1.0)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ([[1.0, 2.0]], r"shape \(1, 2\)"),
        ([1.0, 2.0], r"shape \(2,\)"),
        ([[1.0, 2.0], [math.nan, 3.0]], r"scores at \(1, 0\) are not finite"),
    ],
)
def test_margins_need_a_complete_table(table, problem):
    with pytest.raises(ValueError, match=problem):
        margins(table)


# ---------------------------------------------------------------- components


def test_components_of_an_additive_table_by_hand():
    """Variances of 0..4 and of twice that; nothing is left for the residual."""
    got = variance_components(LEVELS[:, None] + 2 * LEVELS, seed=0)
    assert [part.estimate for part in parts_of(got)] == pytest.approx([2.5, 10.0, 0.0])


def test_shares_by_hand():
    got = variance_components(LEVELS[:, None] + 2 * LEVELS, seed=0)
    assert [part.share for part in parts_of(got)] == pytest.approx([0.2, 0.8, 0.0])


def test_a_standard_deviation_is_the_root_of_its_variance():
    part = variance_components(LEVELS[:, None] + 2 * LEVELS, seed=0).data
    assert part.sd.value == pytest.approx(math.sqrt(10))
    assert part.sd.high == math.sqrt(part.variance.high)


@pytest.fixture(scope="module")
def interaction_only():
    """Components of products of -2..2, whose rows and columns have means of 0: MS_res = 100/16."""
    return variance_components(np.outer(CENTERED, CENTERED), seed=0)


def test_negative_estimates_by_hand(interaction_only):
    """With a mean square of 0, an effect's estimate is -6.25 / 5."""
    assert [part.estimate for part in parts_of(interaction_only)] == [-1.25, -1.25, 6.25]


def test_variances_of_negative_estimates_are_zero(interaction_only):
    assert interaction_only.init.variance.value == 0
    assert [part.share for part in parts_of(interaction_only)] == [0, 0, 1]


def test_no_variance_is_negative(interaction_only):
    assert min(part.variance.low for part in parts_of(interaction_only)) == 0


@pytest.mark.parametrize("shape", [(10, 10), (6, 9)])
def test_estimates_are_those_of_expected_mean_squares(shape):
    x = draw_table(np.random.default_rng(0), (1, 2, 3), shape)
    init, data, residual = mean_squares(x)
    expected = [(init - residual) / shape[1], (data - residual) / shape[0], residual]
    got = variance_components(x, seed=0)
    assert [part.estimate for part in parts_of(got)] == pytest.approx(expected)


def test_f_tests_are_those_of_the_mean_squares():
    x = draw_table(np.random.default_rng(0), (0.7, 0.3, 1), (6, 9))
    init, data, residual = mean_squares(x)
    got = variance_components(x, seed=0)
    expected = [scipy.stats.f.sf(init / residual, 5, 40), scipy.stats.f.sf(data / residual, 8, 40)]
    assert [got.p_init, got.p_data] == pytest.approx(expected)


def test_exchanging_the_seeds_exchanges_their_components():
    x = draw_table(np.random.default_rng(0), (1, 2, 3))
    there, back = variance_components(x, seed=0), variance_components(x.T, seed=0)
    assert there.init.estimate == pytest.approx(back.data.estimate)
    assert there.p_init == pytest.approx(back.p_data)


def test_equal_scores_have_no_variance():
    got = variance_components(np.full((5, 5), 0.1), seed=0)
    assert [part.variance.high for part in parts_of(got)] == [0, 0, 0]
    assert (got.p_init, got.p_data) == (1, 1)


def test_components_need_five_levels_of_each_seed():
    with pytest.raises(ValueError, match="at least 5 of each"):
        variance_components(np.ones((4, 9)), seed=0)


def test_missing_scores_are_named():
    x = np.ones((5, 5))
    x[1, 2] = x[4, 0] = math.nan
    with pytest.raises(ValueError, match=r"scores at \(1, 2\), \(4, 0\) are not finite"):
        variance_components(x, seed=0)


def test_intervals_depend_on_the_seed_only():
    x = draw_table(np.random.default_rng(0), (1, 2, 3))
    first, same, other = (variance_components(x, seed=seed, resamples=50) for seed in (1, 1, 2))
    assert first == same
    assert first.init.variance != other.init.variance


def test_estimates_are_unbiased():
    """Standard errors of the three averages are below 0.04."""
    rng = np.random.default_rng(0)
    tables = [draw_table(rng, (0.5, 1, 1)) for _ in range(300)]
    results = [parts_of(variance_components(x, seed=0, resamples=2)) for x in tables]
    means = np.mean([[part.estimate for part in parts] for parts in results], axis=0)
    assert means == pytest.approx([0.25, 1, 1], abs=0.1)


def test_a_seed_without_effect_is_seldom_significant():
    rng = np.random.default_rng(0)
    tables = [draw_table(rng, (0, 1, 1)) for _ in range(400)]
    p = np.array([variance_components(x, seed=0, resamples=2).p_init for x in tables])
    assert np.mean(p < 0.05) == approx_share(0.05, 400)


def test_intervals_cover_the_true_variances():
    assert covered_shares(100, (1, 1, 1), resamples=200).min() > 0.85


@pytest.mark.stress
@pytest.mark.parametrize("sds", [(1, 1, 1), (1, 1, 2), (2, 1, 1), (0.3, 1, 2)])
def test_nine_of_ten_intervals_cover_the_true_variances(sds):
    """As few as 88 % of those of an effect that outweighs the residual, with ten levels."""
    assert covered_shares(1000, sds, resamples=1000).min() > 0.87
