"""The verdict on few runs with bias correction against many without."""

import pytest

from stablebert.report.statistics.scores import expected_best_of_k
from tests.helpers.claims import judge, make_report, spaced_scores


def report(biased, corrected, tasks=("rte", "mrpc")):
    scores = {(task, "bert_adam", "3epochs"): biased for task in tasks}
    scores |= {(task, "standard", "3epochs"): corrected for task in tasks}
    return make_report("bias_correction", scores)


STABLE, BETTER = spaced_scores(0.70, 0.01, 50), spaced_scores(0.75, 0.01, 50)


@pytest.mark.parametrize(
    ("biased", "corrected", "outcome"),
    [
        pytest.param(STABLE, BETTER, "holds", id="every run is better"),
        pytest.param(BETTER, STABLE, "does not hold", id="every run is worse"),
        pytest.param(BETTER[:20], STABLE[:20], "not enough runs", id="20 runs"),
    ],
)
def test_the_verdict_is(biased, corrected, outcome):
    assert judge("C3", report(biased, corrected)).outcome == outcome


def test_the_effect_compares_a_tenth_of_the_runs_with_half():
    few, _ = expected_best_of_k(BETTER, BETTER, 5)
    many, _ = expected_best_of_k(STABLE, STABLE, 25)
    effect = judge("C3", report(STABLE, BETTER)).effects[0]
    assert effect.value.value == pytest.approx(100 * float(few[0] - many[0]))


def test_the_sentence_says_how_many_runs_are_compared():
    sentence = judge("C3", report(STABLE, BETTER)).sentence
    assert "the best of 5 runs with bias correction against the best of 25 without" in sentence


def test_too_few_runs_are_named():
    assert "RTE (20 runs, fewer than 30)" in judge("C3", report(STABLE[:20], BETTER[:20])).sentence


def test_the_command_trains_as_many_runs_as_a_verdict_needs():
    command = judge("C3", report(STABLE[:20], BETTER[:20], tasks=["rte"])).command
    assert command == "stablebert grid bias_correction task=rte scale=mini"
