"""Verdicts on convergence and on the movement of layers."""

import numpy as np
import pytest
from scipy import stats

from tests.helpers.claims import judge, make_report, spaced_scores
from tests.helpers.histories import make_history

N = 10
SCORES = {
    ("rte", "standard", "3epochs"): [0.7] * N,
    ("rte", "reinit", "3epochs"): [0.7] * N,
}


def report(history_of, scores=SCORES, name="table1"):
    """A report whose runs have the histories that a function of method and seed returns."""
    own = make_report(name, scores)
    histories = {
        record.key: history
        for result in own.basis.results
        for i, record in enumerate(result.records)
        if (history := history_of(result.cell.method, i))
    }
    vars(own.basis)["histories"] = (histories, [])  # read from files otherwise
    return own


def reaches_at(step, final=0.7):
    """A history whose validation score jumps to its final value at a step of 10, 20, ..., 90."""
    steps = range(10, 100, 10)
    return make_history(steps, val__score=[0.53 if x < step else final for x in steps])


def convergence(standard, reinit, final=0.7):
    """The verdict if all runs of a method reach their final score at one step."""
    steps = {"standard": standard, "reinit": reinit}
    return judge("C7", report(lambda method, _: reaches_at(steps[method], final)))


@pytest.mark.parametrize(
    ("standard", "reinit", "outcome"),
    [(60, 30, "holds"), (30, 60, "does not hold"), (30, 30, "inconclusive")],
)
def test_the_verdict_on_convergence_is(standard, reinit, outcome):
    assert convergence(standard, reinit).outcome == outcome


def test_the_p_value_is_that_of_the_sign_test_times_two():
    assert convergence(60, 30).p == pytest.approx(2 * stats.binomtest(N, N).pvalue)


def test_the_effect_is_the_share_of_seeds_with_its_exact_interval():
    low, high = stats.binomtest(N, N).proportion_ci(method="exact")
    value = convergence(60, 30).effects[0].value
    assert (value.value, value.low, value.high) == pytest.approx((100, 100 * low, 100 * high))


def test_the_sentence_counts_seeds():
    assert "on RTE (fewer with 10 of 10 seeds, more with 0)" in convergence(60, 30).sentence


def test_runs_that_learn_nothing_are_not_compared():
    """The majority class has 52.9 on validation."""
    verdict = convergence(60, 30, final=0.54)
    assert verdict.outcome == "not enough runs"
    assert "RTE (a cell ends less than 5 points above the majority class)" in verdict.sentence


@pytest.mark.parametrize("key", ["C7", "C10"])
def test_without_histories_the_command_trains_again(key):
    verdict = judge(key, report(lambda method, seed: None))
    assert verdict.outcome == "not enough runs"
    assert "Needs the histories of runs" in verdict.sentence
    assert verdict.command.endswith(" --fresh")


@pytest.mark.parametrize("key", ["C7", "C10"])
def test_a_run_without_a_history_is_named(key):
    own = report(lambda method, i: moved(i) | reaches_at(30) if i else None)
    assert "RTE (a run has no history)" in judge(key, own).sentence


def moved(*distances):
    """A history of twelve layers whose top three have these distances, the others 0."""
    top = dict(zip((9, 10, 11), distances, strict=False))
    return make_history(
        [50, 100], **{f"weight_change__layer_{i:02}": [9.0, top.get(i, 0.0)] for i in range(12)}
    )


def weight_change(standard, reinit):
    """The verdict on distances of the top layer, run by run."""
    distances = {"standard": standard, "reinit": reinit}
    return judge("C10", report(lambda method, i: moved(distances[method][i])))


FAR, NEAR = spaced_scores(3.0, 0.1, N), spaced_scores(2.5, 0.2, N)


@pytest.mark.parametrize(
    ("standard", "reinit", "outcome"),
    [(FAR, NEAR, "holds"), (NEAR, FAR, "does not hold"), (FAR, FAR, "inconclusive")],
)
def test_the_verdict_on_the_top_layers_is(standard, reinit, outcome):
    assert weight_change(standard, reinit).outcome == outcome


def test_the_p_value_is_welchs_times_two():
    p = stats.ttest_ind(FAR, NEAR, equal_var=False).pvalue
    assert weight_change(FAR, NEAR).p == pytest.approx(2 * p, rel=1e-4)  # float32


def test_the_distance_is_that_of_the_top_quarter_together():
    """sqrt(3^2 + 4^2) = 5, but the fourth layer from the top does not count."""
    own = report(lambda method, i: moved(3.0 + i / 100, 4.0) if method == "reinit" else moved(1.0))
    (effect,) = judge("C10", own).effects
    means = np.mean([np.hypot(3.0 + i / 100, 4.0) for i in range(N)])
    assert effect.value.value == pytest.approx(means - 1)
    assert effect.text == f"{means:.2f} instead of 1.00"


def test_every_depth_is_compared_with_standard():
    scores = {("rte", "standard", "3epochs"): [0.7] * N}
    scores |= {
        ("rte", "reinit", "3epochs", ("reinit.num_layers", depth)): [0.7] * N for depth in (3, 6)
    }
    own = report(lambda method, i: moved(FAR[i]), scores, name="weight_change")
    subjects = [effect.subject for effect in judge("C10", own).effects]
    assert subjects == ["RTE with reinit.num_layers=3", "RTE with reinit.num_layers=6"]
