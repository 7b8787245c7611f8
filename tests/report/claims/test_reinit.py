"""Verdicts on re-initialization: means, spreads, and other models."""

import numpy as np
import pytest
from scipy import stats

from tests.helpers.claims import judge, make_report, spaced_scores

STANDARD = spaced_scores(0.70, 0.04, 20)


def report(reinit, sweep="table1", tasks=("rte", "mrpc")):
    scores = {(task, "standard", "3epochs"): STANDARD for task in tasks}
    scores |= {(task, "reinit", "3epochs"): reinit for task in tasks}
    return make_report(sweep, scores)


@pytest.mark.parametrize(
    ("mean", "outcome"), [(0.76, "holds"), (0.64, "does not hold"), (0.70, "inconclusive")]
)
def test_the_verdict_on_means_is(mean, outcome):
    assert judge("C5", report(spaced_scores(mean, 0.04, 20))).outcome == outcome


def test_table2_judges_means_without_table1():
    verdict = judge("C5", report(spaced_scores(0.76, 0.04, 20), sweep="table2"))
    assert verdict.outcome == "holds"


def test_runs_with_longer_training_are_not_compared_with_three_epochs():
    scores = {
        ("rte", "standard", "3epochs"): STANDARD,
        ("rte", "reinit", "longer"): spaced_scores(0.9, 0.04, 20),
    }
    assert judge("C5", make_report("table1", scores)).outcome == "not enough runs"


@pytest.mark.parametrize(
    ("sd", "outcome"), [(0.005, "holds"), (0.2, "does not hold"), (0.04, "inconclusive")]
)
def test_the_verdict_on_spreads_is(sd, outcome):
    assert judge("C6", report(spaced_scores(0.7, sd, 20))).outcome == outcome


def test_the_effect_on_spreads_is_the_difference_of_distances_from_the_median():
    narrow = spaced_scores(0.7, 0.005, 20)
    distances = [100 * abs(np.array(x) - np.median(x)) for x in (narrow, STANDARD)]
    interval = stats.ttest_ind(*distances, equal_var=False).confidence_interval()
    effect = judge("C6", report(narrow)).effects[0]
    assert effect.value.value == pytest.approx(distances[0].mean() - distances[1].mean())
    assert (effect.value.low, effect.value.high) == pytest.approx((interval.low, interval.high))


def test_the_sentence_on_spreads_has_deviations_and_the_extreme_runs():
    """Twenty evenly spaced scores with a deviation of 4 points reach 6.43 from their mean."""
    sentence = judge("C6", report(spaced_scores(0.7, 0.005, 20))).sentence
    assert "RTE (SD 0.5 instead of 4.0)" in sentence
    assert "the worst run changes by +5.6 points and the best run by -5.6" in sentence


def test_the_sentence_on_spreads_has_the_distances_if_the_deviations_tell_the_opposite():
    """One far run gives a deviation of 8.9 points, and a mean distance of 20 x 0.4 / 20 = 2.0."""
    verdict = judge("C6", report([0.7] * 19 + [0.3]))
    text = "SD 8.9 instead of 4.0, mean distance from the median 2.0 instead of 3.4"
    assert f"RTE ({text})" in verdict.sentence
    assert verdict.effects[0].as_claimed


def models(reinit, *names):
    keys = [
        (task, method, "3epochs", ("model.name", name), ("paper_model", name))
        for name in names
        for task in ("rte", "mrpc")
        for method in ("standard", "reinit")
    ]
    return make_report("table7", {k: reinit if k[1] == "reinit" else STANDARD for k in keys})


BETTER = spaced_scores(0.76, 0.04, 20)


@pytest.mark.parametrize(
    ("names", "outcome"),
    [(("XLNet",), "holds"), (("XLNet", "RoBERTa"), "holds"), (("BART",), "not enough runs")],
)
def test_the_verdict_on_other_models_is(names, outcome):
    assert judge("C15", models(BETTER, *names)).outcome == outcome


def test_tasks_are_judged_model_by_model():
    subjects = [
        effect.subject for effect in judge("C15", models(BETTER, "XLNet", "RoBERTa")).effects
    ]
    assert subjects == [f"{t} with {m}" for m in ("XLNet", "RoBERTa") for t in ("RTE", "MRPC")]


def test_equal_spreads_are_not_counted_as_smaller():
    scores = {("rte", method, "3epochs"): [0.7] * 20 for method in ("standard", "reinit")}
    assert not judge("C6", make_report("table1", scores)).effects[0].as_claimed


def test_the_reason_why_table1_cannot_be_judged_is_named_without_table2():
    scores = {("rte", method, "3epochs"): [0.7] * 3 for method in ("standard", "reinit")}
    few = make_report("table1", scores)
    assert judge("C5", few).sentence == "Not judged: RTE (3 runs, fewer than 5)."
