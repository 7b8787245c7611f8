"""Verdicts that two kinds of runs score the same."""

import pytest
from scipy import stats

from stablebert.report.analyses.base import Request
from tests.helpers.claims import judge, make_report, spaced_scores


def report(mixed, full, **kwargs):
    scores = {
        ("rte", "standard", "3epochs", ("trainer.precision", "bf16-mixed")): mixed,
        ("rte", "standard", "3epochs", ("trainer.precision", "32-true")): full,
    }
    return make_report("table4", scores, **kwargs)


FULL = spaced_scores(0.700, 0.005, 20)


@pytest.mark.parametrize(
    ("mixed", "outcome"),
    [
        pytest.param(spaced_scores(0.701, 0.005, 20), "holds", id="a difference of 0.1 points"),
        pytest.param(spaced_scores(0.720, 0.005, 20), "does not hold", id="2 points"),
        pytest.param(spaced_scores(0.705, 0.050, 20), "inconclusive", id="a wide interval"),
        pytest.param(FULL[:4], "not enough runs", id="four runs"),
    ],
)
def test_the_verdict_on_mixed_precision_is(mixed, outcome):
    assert judge("C14", report(mixed, FULL[: len(mixed)])).outcome == outcome


def test_the_p_value_is_that_of_two_one_sided_tests_times_two():
    """Welch's tests against -1 and +1 points, by shifting one cell; the larger p-value counts."""
    mixed = spaced_scores(0.701, 0.005, 20)
    p = max(
        stats.ttest_ind(
            [x + shift for x in mixed], FULL, equal_var=False, alternative=direction
        ).pvalue
        for shift, direction in ((0.01, "greater"), (-0.01, "less"))
    )
    assert judge("C14", report(mixed, FULL)).p == pytest.approx(2 * p)


def test_the_margin_is_that_of_the_request():
    mixed = spaced_scores(0.705, 0.05, 20)
    wide = report(mixed, FULL, request=Request(margin=5.0))
    assert judge("C14", wide).outcome == "holds"
    assert "equivalent within ±5 points on RTE" in judge("C14", wide).sentence


def test_an_inconclusive_sentence_says_how_far_the_intervals_reach():
    mixed = spaced_scores(0.705, 0.05, 20)
    error = 100 * ((0.05**2 + 0.005**2) / 20) ** 0.5
    df = error**4 / ((25 / 20) ** 2 / 19 + (0.25 / 20) ** 2 / 19)
    reach = 0.5 + stats.t.ppf(0.95, df) * error
    assert f"reach differences of ±{reach:.1f} points" in judge("C14", report(mixed, FULL)).sentence


def mnli(biased, corrected):
    scores = {
        ("mnli", "bert_adam", "3epochs"): biased,
        ("mnli", "standard", "3epochs"): corrected,
    }
    return make_report("table5", scores)


@pytest.mark.parametrize(
    ("corrected", "outcome"), [(0.701, "holds"), (0.72, "does not hold"), (0.69, "does not hold")]
)
def test_the_verdict_on_full_mnli_is(corrected, outcome):
    biased, corrected = spaced_scores(0.7, 0.002, 8), spaced_scores(corrected, 0.002, 8)
    assert judge("C4", mnli(biased, corrected)).outcome == outcome


def test_the_papers_three_runs_are_too_few():
    three = spaced_scores(0.86, 0.003, 3)
    verdict = judge("C4", mnli(three, three))
    assert verdict.outcome == "not enough runs"
    assert "3 runs, fewer than 5" in verdict.sentence
    assert verdict.command == "stablebert grid table5 scale=mini seed=0..4"


def test_a_task_that_cannot_be_judged_is_named():
    scores = {
        (task, "standard", "3epochs", ("trainer.precision", precision)): FULL[:n]
        for task, n in (("rte", 20), ("mrpc", 4))
        for precision in ("bf16-mixed", "32-true")
    }
    verdict = judge("C14", make_report("table4", scores))
    assert [effect.subject for effect in verdict.effects] == ["RTE"]
    assert verdict.sentence.endswith("Not judged: MRPC (4 runs, fewer than 5).")
