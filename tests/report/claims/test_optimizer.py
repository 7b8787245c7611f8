"""Verdicts on bias correction: means and failed runs."""

import pytest
from scipy import stats

from stablebert.report.statistics.scores import Interval
from tests.helpers.claims import judge, make_report, spaced_scores

TASKS = ("rte", "mrpc")


def report(biased, corrected, failed=None):
    """A report of the sweep with scores of both optimizers on two tasks."""
    scores = {(task, "bert_adam", "3epochs"): biased for task in TASKS}
    scores |= {(task, "standard", "3epochs"): corrected for task in TASKS}
    return make_report("bias_correction", scores, failed=failed)


HIGH, LOW = spaced_scores(0.70, 0.02), spaced_scores(0.60, 0.03)


@pytest.mark.parametrize(
    ("biased", "corrected", "outcome"),
    [
        (LOW, HIGH, "holds"),
        (HIGH, LOW, "does not hold"),
        (HIGH, HIGH, "inconclusive"),
        (LOW[:4], HIGH[:4], "not enough runs"),
    ],
)
def test_the_verdict_on_means_is(biased, corrected, outcome):
    assert judge("C1", report(biased, corrected)).outcome == outcome


def test_the_p_value_is_welchs_times_two_tasks_times_two_kinds_of_verdicts():
    p = stats.ttest_ind(HIGH, LOW, equal_var=False).pvalue
    verdict = judge("C1", report(LOW, HIGH))
    assert verdict.p == pytest.approx(2 * 2 * p)


def test_the_effect_is_the_difference_of_means_with_welchs_interval():
    interval = stats.ttest_ind(HIGH, LOW, equal_var=False).confidence_interval()
    effect = judge("C1", report(LOW, HIGH)).effects[0]
    assert effect.value.value == pytest.approx(10)
    assert (effect.value.low, effect.value.high) == pytest.approx(
        (100 * interval.low, 100 * interval.high)
    )


def test_the_sentence_names_every_task_with_its_difference():
    sentence = judge("C1", report(LOW, HIGH)).sentence
    assert sentence == (
        "Mean test score with bias correction against without: significantly higher on "
        "RTE (+10.0 [+7.6, +12.4]), MRPC (+10.0 [+7.6, +12.4])."
    )


def test_an_inconclusive_sentence_says_which_difference_would_have_been_shown():
    """Noncentral t with 18 degrees of freedom at level .05 / 4, solved by hand in scipy."""
    critical = stats.t.ppf(1 - 0.05 / 8, 18)
    error = 2 * (2 / 10) ** 0.5  # points
    noncentrality = next(
        d / 1000 for d in range(9000) if stats.nct.sf(critical, 18, d / 1000) > 0.8
    )
    sentence = judge("C1", report(HIGH, HIGH)).sentence
    detectable = f"a difference of {noncentrality * error:.1f} points"
    assert f"would probably have detected {detectable}" in sentence


def test_other_methods_in_the_sweep_change_nothing():
    scores = {("rte", m, "3epochs"): x for m, x in (("bert_adam", LOW), ("standard", HIGH))}
    more = scores | {("rte", "adamd", "3epochs"): HIGH}
    alone, together = (judge("C1", make_report("bias_correction", x)) for x in (scores, more))
    assert alone.p == together.p


def failures(biased, corrected):
    failed = {(task, "bert_adam", "3epochs"): biased for task in TASKS}
    failed |= {(task, "standard", "3epochs"): corrected for task in TASKS}
    return report(HIGH, HIGH, failed)


@pytest.mark.parametrize(
    ("biased", "corrected", "outcome"),
    [(9, 0, "holds"), (0, 9, "does not hold"), (3, 1, "inconclusive")],
)
def test_the_verdict_on_failed_runs_is(biased, corrected, outcome):
    assert judge("C2", failures(biased, corrected)).outcome == outcome


def test_the_p_value_of_failed_runs_is_fishers_times_four():
    p = stats.fisher_exact([[9, 1], [0, 10]]).pvalue
    assert judge("C2", failures(9, 0)).p == pytest.approx(4 * p)


def test_the_effect_is_the_share_of_failed_runs_with_its_exact_interval():
    low, high = stats.binomtest(9, 10).proportion_ci(method="exact")
    value = judge("C2", failures(9, 0)).effects[0].value
    assert value == Interval(value=90, low=pytest.approx(100 * low), high=pytest.approx(100 * high))


def test_the_sentence_counts_failed_runs():
    assert "on RTE (9 of 10 against 0 of 10), MRPC (9" in judge("C2", failures(9, 0)).sentence


def test_hardly_any_failed_run_of_many_excludes_the_claim():
    """P(0 of 30 runs | share .1) = .042."""
    scores = spaced_scores(0.7, 0.02, 30)
    verdict = judge("C2", report(scores, scores))
    assert verdict.outcome == "does not hold"
    assert verdict.p == pytest.approx(0.9**30)


def test_hardly_any_failed_run_of_few_decides_nothing():
    scores = spaced_scores(0.7, 0.02, 20)
    assert judge("C2", report(scores, scores)).outcome == "inconclusive"


def test_the_p_value_of_few_failed_runs_is_that_of_the_task_with_the_most():
    """P(0 of 30 runs | share .1) = .042; of 50 runs, it is .005."""
    scores = {
        (task, method, "3epochs"): spaced_scores(0.7, 0.02, n)
        for task, n in (("rte", 30), ("mrpc", 50))
        for method in ("bert_adam", "standard")
    }
    verdict = judge("C2", make_report("bias_correction", scores))
    assert verdict.p == pytest.approx(0.9**30)


def test_cells_without_variance_do_not_say_which_difference_would_have_been_shown():
    constant = [0.7] * 10
    assert "would probably have detected" not in judge("C1", report(constant, constant)).sentence


def test_inconclusive_tasks_say_so_next_to_others_that_are_not():
    scores = {
        (task, method, "3epochs"): x
        for task, own in (("rte", (LOW, HIGH)), ("mrpc", (HIGH, HIGH)), ("stsb", (HIGH, HIGH)))
        for method, x in zip(("bert_adam", "standard"), own, strict=True)
    }
    sentence = judge("C1", make_report("bias_correction", scores)).sentence
    assert "Where inconclusive, these runs would probably have detected a difference of" in sentence


def test_a_cell_without_a_baseline_is_named():
    scores = {("rte", m, "3epochs"): x for m, x in (("bert_adam", LOW), ("standard", HIGH))}
    scores["mrpc", "standard", "3epochs"] = HIGH
    sentence = judge("C1", make_report("bias_correction", scores)).sentence
    assert sentence.endswith("Not judged: MRPC (no runs of its baseline).")
