"""Verdicts on the depth of re-initialization."""

import pytest
from scipy import stats

from tests.helpers.claims import judge, make_report, spaced_scores


def depth_key(depth, task="rte"):
    return (task, "reinit", "3epochs", ("reinit.num_layers", depth))


def shape(*means, sd=0.01, n=10):
    """A report on depths 1, 2, ... with these means."""
    scores = {depth_key(i): spaced_scores(mean, sd, n) for i, mean in enumerate(means, 1)}
    return make_report("reinit_depth", scores)


@pytest.mark.parametrize(
    ("means", "outcome"),
    [
        pytest.param((0.60, 0.70, 0.70, 0.60), "holds", id="a rise and a fall"),
        pytest.param((0.70, 0.60, 0.50, 0.40), "does not hold", id="a fall from the start"),
        pytest.param((0.40, 0.50, 0.60, 0.70), "does not hold", id="a rise to the end"),
        pytest.param((0.60, 0.70, 0.70, 0.70), "inconclusive", id="a rise to a plateau"),
        pytest.param((0.70, 0.70, 0.70, 0.70), "inconclusive", id="no effect"),
        pytest.param((0.60, 0.70), "not enough runs", id="two depths"),
    ],
)
def test_the_verdict_on_the_shape_is(means, outcome):
    assert judge("C9", shape(*means)).outcome == outcome


def test_three_seeds_are_too_few():
    verdict = judge("C9", shape(0.6, 0.7, 0.6, n=3))
    assert verdict.outcome == "not enough runs"
    assert "RTE (3 runs, fewer than 5)" in verdict.sentence


def test_the_p_value_is_corrected_over_all_depths_and_both_ends():
    """The smallest of the four p-values compare the middle depth with the two ends."""
    low, high = spaced_scores(0.69, 0.01), spaced_scores(0.70, 0.01)
    p = stats.ttest_ind(high, low, equal_var=False).pvalue
    verdict = judge("C9", shape(0.69, 0.70, 0.69))
    assert verdict.p == pytest.approx(4 * 2 * p)


def test_the_sentence_names_the_best_depth_of_each_task():
    assert "Best depth by validation score: RTE 2." in judge("C9", shape(0.6, 0.7, 0.6)).sentence


STANDARD = make_report("table1", {("rte", "standard", "3epochs"): spaced_scores(0.7, 0.02)})


@pytest.mark.parametrize(
    ("mean", "outcome"), [(0.8, "holds"), (0.6, "does not hold"), (0.7, "inconclusive")]
)
def test_the_verdict_on_the_pooler_alone_is(mean, outcome):
    report = make_report("reinit_pooler", {depth_key(0): spaced_scores(mean, 0.02)})
    assert judge("C8", report, STANDARD).outcome == outcome


def test_the_pooler_alone_needs_runs_without_re_initialized_layers():
    verdict = judge("C8", shape(0.6, 0.7), STANDARD)
    assert verdict.outcome == "not enough runs"
    assert verdict.command.startswith("stablebert grid reinit_pooler ")
