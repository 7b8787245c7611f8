"""The test of a run against chance: on cases done by hand, and against scipy."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from stablebert.report.chance import chance_p_value, is_at_chance
from tests.helpers.records import make_cell, make_record


def test_accuracy_by_hand():
    """3 or 4 correct of 4 at one half: 5 / 16."""
    assert chance_p_value("accuracy", 0.75, 4, 0.5) == pytest.approx(5 / 16)


def test_accuracy_zero_is_certain_by_chance():
    assert chance_p_value("accuracy", 0.0, 4, 0.5) == 1.0


def test_accuracy_is_an_exact_binomial_test():
    expected = scipy.stats.binomtest(160, 277, 146 / 277, alternative="greater").pvalue
    assert chance_p_value("accuracy", 160 / 277, 277, 146 / 277) == pytest.approx(expected)


def test_mcc_is_the_signed_root_of_chi_squared():
    table = np.array([[30, 20], [15, 35]])
    chi2, p, *_ = scipy.stats.chi2_contingency(table, correction=False)
    assert chance_p_value("mcc", math.sqrt(chi2 / 100), 100, 0.0) == pytest.approx(p / 2)


def test_mcc_of_zero_is_even_odds():
    assert chance_p_value("mcc", 0.0, 100, 0.0) == 0.5


def test_correlation_is_scipys_test():
    rng = np.random.default_rng(4)
    x = rng.normal(size=30)
    r, p = scipy.stats.pearsonr(x, x + 3 * rng.normal(size=30), alternative="greater")
    assert chance_p_value("spearman", r, 30, 0.0) == pytest.approx(p)


@pytest.mark.parametrize(("r", "p"), [(1.0, 0.0), (-1.0, 1.0)])
def test_perfect_correlations_have_no_variance_to_divide_by(r, p):
    assert chance_p_value("pearson", r, 30, 0.0) == p


@pytest.mark.parametrize(
    ("majority", "metrics", "at_chance"),
    [
        ({"dev_accuracy": 0.527}, {"accuracy": 0.60}, False),
        ({"dev_accuracy": 0.527}, {"accuracy": 0.56}, True),
        ({}, {"spearman": 0.2}, False),
        ({}, {"spearman": 0.05}, True),
    ],
)
def test_a_torchmetrics_class_is_judged_by_accuracy_or_spearman(majority, metrics, at_chance):
    record = make_record(
        make_cell(),
        metric="F1Score_macro",
        majority={"val": 0.2, "test": 0.2, "dev": 0.2, **majority},
        metrics={"dev_at_last": {"F1Score_macro": 0.9, **metrics}},
    )
    assert is_at_chance(record) == at_chance


def test_f1_has_no_test_against_chance():
    with pytest.raises(ValueError, match="metric='f1' has no test"):
        chance_p_value("f1", 0.8, 100, 0.8)


@pytest.mark.parametrize(
    ("task", "score", "majority", "at_chance"),
    [
        ("rte", 0.527, 0.527, True),
        ("rte", 0.56, 0.527, True),  # above the majority class, not significantly
        ("rte", 0.60, 0.527, False),
        ("mrpc", 0.70, 2 * 0.684 / 1.684, True),  # accuracy against 68.4 %
        ("mrpc", 0.75, 2 * 0.684 / 1.684, False),
        ("cola", 0.0, 0.0, True),
        ("cola", 0.3, 0.0, False),
        ("stsb", 0.05, 0.0, True),
        ("stsb", 0.3, 0.0, False),
        ("stsb", None, 0.0, True),
    ],
)
def test_runs_are_judged_by_their_last_score_on_dev(task, score, majority, at_chance):
    record = make_record(make_cell(task), 0, score, val=0.5, majority={"dev": majority})
    assert is_at_chance(record) is at_chance


@pytest.mark.parametrize(("rows", "at_chance"), [(40, True), (400, False)])
def test_a_task_that_validates_on_training_rows_is_judged_on_its_test_rows(rows, at_chance):
    """60 % of 40 rows is no evidence; with 999 validation rows it would be."""
    splits = {"test": {"rows": rows}, "val": {"rows": 999, "source": "train"}}
    record = replace(make_record(make_cell("qnli_1k"), 0, 0.6), splits=splits)
    for task in ("qnli_1k", "unknown_here"):
        assert is_at_chance(replace(record, task=task)) is at_chance
