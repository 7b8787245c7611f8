"""All verdicts together."""

import pytest

from stablebert.config.sweep import shipped_sweeps
from stablebert.report.claims.registry import CLAIMS, judge_claims
from tests.helpers.claims import judge, make_report, spaced_scores


def test_the_claims_are_numbered_in_order():
    assert [claim.key for claim in CLAIMS] == [f"C{i}" for i in range(1, 16)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.key)
def test_every_claim_names_sweeps_that_ship(claim):
    assert set(claim.sweeps) <= set(shipped_sweeps())


@pytest.mark.parametrize("verdict", judge_claims({}), ids=lambda verdict: verdict.claim.key)
def test_without_reports_there_are_not_enough_runs(verdict):
    assert verdict.outcome == "not enough runs"
    assert verdict.sentence.startswith("No runs of ")
    assert verdict.command.startswith("stablebert grid ")


def report(runs=(10, 10), failed=None):
    scores = {
        (task, method, "3epochs"): spaced_scores(0.7, 0.02, n)
        for task, n in zip(("rte", "mrpc"), runs, strict=True)
        for method in ("bert_adam", "standard")
    }
    return make_report("bias_correction", scores, failed=failed)


def test_a_verdict_has_scale_model_and_runs_per_cell():
    verdict = judge("C1", report(runs=(10, 8)))
    assert (verdict.scale, verdict.n) == ("mini", "8 to 10")
    assert verdict.model == "org/bert@fedcba987654"


def test_a_judged_claim_needs_no_command():
    assert judge("C1", report()).command == ""


def test_tasks_that_cannot_be_judged_are_named_with_the_reason():
    verdict = judge("C1", report(runs=(10, 4)))
    assert [effect.subject for effect in verdict.effects] == ["RTE"]
    assert verdict.sentence.endswith("Not judged: MRPC (4 runs, fewer than 5).")


def test_at_most_three_of_them_are_named():
    tasks = ("rte", "mrpc", "stsb", "cola", "sst2")
    scores = {(t, m, "3epochs"): [0.7] * 3 for t in tasks for m in ("bert_adam", "standard")}
    sentence = judge("C1", make_report("bias_correction", scores)).sentence
    assert "STS-B (3 runs, fewer than 5), and 2 more." in sentence


@pytest.mark.parametrize("key", ["C1", "C2", "C3", "C5", "C6"])
def test_a_report_on_other_sweeps_decides_nothing(key):
    assert judge(key, make_report("other", {("rte", "standard", "3epochs"): [0.7] * 5})).p is None
