"""The split of the variance over seeds: algebra, invariances, and recovery of a known truth."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import special

from stablebert.report.statistics import noise
from tests.helpers import seeds_by_rows as populations

METRICS = ["accuracy", "f1", "mcc", "pearson", "spearman"]


def draw_predictions(metric="accuracy", n=6, rows=14, seed=0):
    rng = np.random.default_rng(seed)
    if metric in ("pearson", "spearman"):
        labels = rng.integers(0, 11, rows) / 2
        return labels + rng.normal(0, 2, (n, rows)), labels
    labels = rng.integers(0, 2, rows)
    return np.where(rng.random((n, rows)) < 0.7, labels, 1 - labels), labels


def draw_contributions(n=6, rows=6, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (n, rows))


def covariance(a, b):
    return np.cov(a, b)[0, 1]


# ---------------------------------------------------------------- the estimate


def test_split_by_hand():
    # scores 1, 2/3, 1/3, 1/3, 2/3; variances of the rows 0.3, 0.3 and 0.2
    correct = [[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 1]]
    split = noise.split_variance_of_rows(correct)
    total = np.var([3, 2, 1, 1, 2], ddof=1) / 9
    true = 3 / 2 * (total - 0.8 / 9)
    expected = {"total": total, "true": true, "noise": total - true}
    assert {name: getattr(split, name) for name in expected} == pytest.approx(expected)


def test_estimate_is_the_mean_covariance_of_two_rows():
    x = draw_contributions()
    expected = np.mean([covariance(a, b) for a, b in combinations(x.T, 2)])
    assert noise.split_variance_of_rows(x).true == pytest.approx(expected)


def test_estimate_is_the_mean_covariance_of_halves_over_all_splits():
    x, rows = draw_contributions(), set(range(6))
    expected = np.mean(
        [
            covariance(x[:, half].mean(1), x[:, sorted(rows - set(half))].mean(1))
            for half in combinations(rows, 3)
        ]
    )
    assert noise.split_variance_of_rows(x).true == pytest.approx(expected)


def test_estimate_is_the_component_of_runs_in_the_analysis_of_variance():
    x = draw_contributions(5, 9)
    n, rows = x.shape
    residuals = x - x.mean(0) - x.mean(1, keepdims=True) + x.mean()
    between_runs = rows * x.mean(1).var(ddof=1)
    interaction = (residuals**2).sum() / ((n - 1) * (rows - 1))
    split = noise.split_variance_of_rows(x)
    parts = ((between_runs - interaction) / rows, interaction / rows)
    assert (split.true, split.noise) == pytest.approx(parts)


@pytest.mark.parametrize("metric", METRICS)
def test_total_is_the_sample_variance_of_the_scores(metric):
    from stablebert.report.statistics.metrics import score_runs

    predictions, labels = draw_predictions(metric)
    expected = score_runs(metric, predictions, labels).var(ddof=1)
    assert noise.split_variance(metric, predictions, labels).total == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_parts_sum_to_the_total(metric):
    split = noise.split_variance(metric, *draw_predictions(metric))
    assert split.true + split.noise == pytest.approx(split.total)


def test_contributions_to_accuracy_are_correctness():
    predictions, labels = draw_predictions()
    contributions = noise.row_contributions("accuracy", predictions, labels)
    assert contributions == pytest.approx((predictions == labels).astype(float))


def test_contributions_to_a_correlation_are_its_pseudo_values():
    predictions, labels = draw_predictions("pearson", n=1)
    rows = len(labels)
    whole = np.corrcoef(predictions[0], labels)[0, 1]
    pseudo_values = np.array(
        [
            rows * whole
            - (rows - 1) * np.corrcoef(np.delete(predictions[0], j), np.delete(labels, j))[0, 1]
            for j in range(rows)
        ]
    )
    contributions = noise.row_contributions("pearson", predictions, labels)[0]
    expected = pseudo_values - pseudo_values.mean() + whole
    assert contributions == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_order_of_runs_and_rows_does_not_matter(metric):
    predictions, labels = draw_predictions(metric)
    rng = np.random.default_rng(5)
    runs, rows = rng.permutation(6), rng.permutation(14)
    split = noise.split_variance(metric, predictions, labels)
    other = noise.split_variance(metric, predictions[runs][:, rows], labels[rows])
    values = [(s.total, s.noise, s.sd.low, s.sd.high) for s in (split, other)]
    assert values[0] == pytest.approx(values[1])


# ---------------------------------------------------------------- special cases


@pytest.mark.parametrize("metric", METRICS)
def test_identical_runs_have_neither_noise_nor_instability(metric):
    predictions, labels = draw_predictions(metric)
    split = noise.split_variance(metric, np.repeat(predictions[:1], 6, axis=0), labels)
    values = (split.total, split.noise, split.sd.value, split.sd.low, split.sd.high)
    assert values == pytest.approx((0, 0, 0, 0, 0), abs=1e-15)


def test_equal_scores_from_different_predictions_estimate_a_variance_below_zero():
    assert noise.split_variance_of_rows(np.eye(5)).true < 0


def test_a_variance_below_zero_is_a_deviation_of_zero():
    split = noise.split_variance_of_rows(np.eye(5))
    assert (split.sd.value, split.sd.low, split.sd.high) == (0, 0, 0)


def test_runs_that_shift_all_rows_alike_have_no_noise():
    shifts = np.array([0.1, 0.3, 0.2, 0.7, 0.4])[:, None]
    split = noise.split_variance_of_rows(np.array([0.0, 0.5, 0.2, 0.9]) + shifts)
    assert (split.noise, split.true) == pytest.approx((0, shifts.var(ddof=1)))


def test_without_noise_the_interval_is_bonetts():
    scores = np.array([0.1, 0.3, 0.2, 0.7, 0.4, 0.5, 0.35, 0.9])
    n, z = 8, special.ndtri(0.975)
    trimmed = np.sort(scores)[2:6].mean()  # trims 1 / (2 sqrt(8 - 4)), 2 runs, at either end
    kurtosis = n * np.sum((scores - trimmed) ** 4) / np.sum((scores - scores.mean()) ** 2) ** 2
    c = n / (n - z)
    half = z * c * math.sqrt((kurtosis - (n - 3) / n) / (n - 1))
    sd = noise.split_variance_of_rows(np.repeat(scores[:, None], 5, axis=1)).sd
    ends = [math.sqrt(c * scores.var(ddof=1) * math.exp(x)) for x in (-half, half)]
    assert [sd.low, sd.high] == pytest.approx(ends)


def test_a_higher_level_widens_the_interval():
    x = draw_contributions(20, 50)
    narrow, wide = (noise.split_variance_of_rows(x, level=level).sd for level in (0.5, 0.99))
    assert wide.low <= narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("metric", METRICS)
def test_a_run_of_nan_counts_as_a_score_of_zero_on_every_row(metric):
    predictions, labels = draw_predictions(metric)
    predictions = predictions.astype(float)
    predictions[2, 3] = math.nan
    assert not noise.row_contributions(metric, predictions, labels)[2].any()


@pytest.mark.parametrize("shape", [(4, 9), (5, 2), (5,), (5, 3, 3)])
def test_too_few_runs_or_rows_are_refused(shape):
    with pytest.raises(ValueError, match=r"need \(n, N\) with n at least 5 and N at least 3"):
        noise.split_variance_of_rows(np.zeros(shape))


def test_contributions_that_are_not_finite_are_counted():
    x = draw_contributions()
    x[0, :2] = math.nan
    with pytest.raises(ValueError, match="2 of 36 contributions are not finite"):
        noise.split_variance_of_rows(x)


# ---------------------------------------------------------------- recovery of a known truth


def split_repeatedly(population, n, rows, repetitions):
    rng = np.random.default_rng(11)
    draws = (population.draw(rng, n, rows) for _ in range(repetitions))
    return [noise.split_variance(population.metric, *draw) for draw in draws]


def coverage(population, n, rows, repetitions):
    """Return the share of intervals of the deviation that contain the true one."""
    splits = split_repeatedly(population, n, rows, repetitions)
    return np.mean([s.sd.low <= population.sd <= s.sd.high for s in splits])


@pytest.mark.parametrize("rows", [139, 1000])
@pytest.mark.parametrize("sd", [0.0, 0.02])
def test_interval_covers_the_true_deviation_of_20_runs(sd, rows):
    assert coverage(populations.smooth(sd), 20, rows, 100) >= 0.91


@pytest.mark.slow
@pytest.mark.parametrize("rows", [139, 1000])
@pytest.mark.parametrize("sd", [0.0, 0.005, 0.01, 0.02, 0.05])
def test_nominal_coverage_is_the_real_one(sd, rows):
    """The standard error of these shares is 0.007."""
    assert 0.93 <= coverage(populations.smooth(sd), 20, rows, 1000) <= 0.995


@pytest.mark.slow
@pytest.mark.parametrize("rows", [139, 1000])
@pytest.mark.parametrize(
    "population",
    [
        populations.failing(0.1),
        populations.failing(0.3),
        populations.thresholds("f1", 0.6),
        populations.thresholds("mcc", 0.6),
    ],
    ids=["failing-0.1", "failing-0.3", "f1", "mcc"],
)
def test_coverage_for_scores_with_heavy_tails_is_not_far_below(population, rows):
    assert coverage(population, 20, rows, 500) >= 0.86


@pytest.mark.parametrize(
    "population",
    [
        populations.smooth(0.02),
        populations.failing(0.3),
        populations.thresholds("f1", 0.3),
        populations.thresholds("mcc", 0.3),
        populations.regressions(0.15),
    ],
    ids=["smooth", "failing", "f1", "mcc", "spearman"],
)
def test_estimate_is_unbiased(population):
    repetitions = 20 if population.metric == "spearman" else 100
    splits = split_repeatedly(population, 20, 139, repetitions)
    estimates = [split.true for split in splits]
    error = np.std(estimates) / math.sqrt(repetitions)
    assert np.mean(estimates) == pytest.approx(population.sd**2, abs=2.5 * error)


def test_variance_of_the_scores_overestimates_that_of_the_true_scores():
    population = populations.smooth(0.02)
    totals = [split.total for split in split_repeatedly(population, 20, 139, 100)]
    assert np.mean(totals) > 2 * population.sd**2


def calibrated_runs(rng, n, rows):
    """Return predictions and labels of which a share q of runs is right about class 1."""
    q = rng.beta(0.5, 0.5, rows)
    return rng.random((n, rows)) < q, rng.random(rows) < q


def test_noise_of_calibrated_runs_is_that_of_jordans_formula():
    rng = np.random.default_rng(0)
    draws = [calibrated_runs(rng, 20, 139) for _ in range(100)]
    measured = np.mean([noise.split_variance("accuracy", *draw).noise for draw in draws])
    error = np.mean([predictions != labels for predictions, labels in draws])
    assert measured == pytest.approx(noise.calibrated_noise(error, 139), rel=0.02)


def test_binomial_variance_overestimates_the_noise_of_calibrated_runs():
    rng = np.random.default_rng(0)
    predictions, labels = calibrated_runs(rng, 20, 1000)
    error = np.mean(predictions != labels)
    measured = noise.split_variance("accuracy", predictions, labels).noise
    assert error * (1 - error) / 1000 > 1.4 * measured
