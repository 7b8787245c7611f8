"""The summary of reports in a few sentences."""

import pytest

from stablebert.report.claims.registry import judge_claims
from stablebert.report.claims.summary import MAX_SENTENCES, summary_sentences
from tests.helpers.claims import make_report, spaced_scores


def summarize(*reports):
    own = {report.name: report for report in reports}
    return summary_sentences(own, judge_claims(own))


BASE = spaced_scores(0.70, 0.02, 20)


def table1(*means):
    """Re-init against standard on one task per mean."""
    tasks = ("rte", "mrpc", "stsb", "cola")
    scores = {(task, "standard", "3epochs"): BASE for task in tasks[: len(means)]}
    for task, mean in zip(tasks, means, strict=False):
        scores[task, "reinit", "3epochs"] = spaced_scores(mean, 0.02, 20)
    return make_report("table1", scores)


@pytest.mark.parametrize(
    ("means", "sentence"),
    [
        ((0.80, 0.703, 0.69), "Re-init beats standard on 2 of 3 tasks, significantly on 1."),
        ((0.701,), "Re-init beats standard on 1 of 1 task, significantly on none."),
        (
            (0.80, 0.60),
            "Re-init beats standard on 1 of 2 tasks, significantly on 1; the opposite is "
            "significant on 1.",
        ),
    ],
)
def test_a_comparison_is_counted_over_tasks(means, sentence):
    assert sentence in summarize(table1(*means))


def bias_correction():
    scores = {(t, m, "3epochs"): BASE for t in ("rte", "mrpc") for m in ("bert_adam", "standard")}
    failed = {("rte", "bert_adam", "3epochs"): 9, ("mrpc", "bert_adam", "3epochs"): 1}
    return make_report("bias_correction", scores, failed=failed)


def test_failed_runs_are_counted_without_and_with_bias_correction():
    assert (
        "Without bias correction (BERTAdam), 10 of 40 runs failed, most often on RTE (9 of 20); "
        "with it, 0 of 40."
    ) in summarize(bias_correction())


def test_decided_claims_come_first():
    first, *_ = summarize(bias_correction(), table1(0.80, 0.80))
    assert first == "Re-init beats standard on 2 of 2 tasks, significantly on 2."


def test_several_reports_end_with_the_verdicts_on_all_claims():
    last = summarize(bias_correction(), table1(0.80, 0.80))[-1]
    assert last.startswith("Verdicts on the paper's 15 claims: holds 2, ")


def test_a_report_that_no_claim_is_about_is_summarized_row_by_row():
    scores = {("rte", "standard", "3epochs"): BASE}
    scores["rte", "sam", "3epochs"] = spaced_scores(0.8, 0.02, 20)
    sentences = summarize(make_report("methods", scores))
    assert sentences == ["sam beats standard on 1 of 1 task, significantly on 1."]


def test_there_are_at_most_six_sentences():
    names = [f"method{i}" for i in range(9)]
    scores = {("rte", name, "3epochs"): BASE for name in ("standard", *names)}
    assert len(summarize(make_report("methods", scores))) == MAX_SENTENCES


def test_without_comparisons_runs_are_counted_with_the_reason():
    keys = [("rte", method, "3epochs") for method in ("standard", "sam")]
    assert summarize(make_report("methods", {key: [0.7, 0.8] for key in keys})) == [
        "4 runs of 2 configurations, of which none can be compared with its baseline yet: 2 runs, "
        "fewer than 5."
    ]


def test_without_a_baseline_the_summary_says_so():
    assert summarize(make_report("methods", {("rte", "sam", "3epochs"): [0.7] * 9})) == [
        "9 runs of 1 configuration, of which none can be compared with its baseline yet: no "
        "configuration has runs of its baseline."
    ]


def test_runs_of_several_reports_are_counted_once():
    scores = {("rte", "sam", "3epochs"): [0.7] * 9}
    first, *_ = summarize(*(make_report(name, scores) for name in ("a", "b")))
    assert first.startswith("9 runs of 1 configuration, ")


def test_without_runs_the_summary_says_so():
    assert summarize(make_report("methods", {("rte", "standard", "3epochs"): []})) == [
        "No run has finished yet."
    ]


@pytest.mark.parametrize(
    ("failed", "sentence"),
    [
        (
            {"rte": 3, "mrpc": 3},
            "Without bias correction (BERTAdam), 6 of 40 runs failed; with it, 0 of 40.",
        ),
        ({}, "Without bias correction (BERTAdam), 0 of 40 runs failed; with it, 0 of 40."),
    ],
)
def test_tasks_that_fail_equally_often_are_not_named(failed, sentence):
    scores = {(t, m, "3epochs"): BASE for t in ("rte", "mrpc") for m in ("bert_adam", "standard")}
    own = {(task, "bert_adam", "3epochs"): n for task, n in failed.items()}
    assert sentence in summarize(make_report("bias_correction", scores, failed=own))
