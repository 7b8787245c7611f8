"""The rule that turns effects into a verdict."""

from dataclasses import replace

import pytest

from stablebert.report.claims.base import Effect, deciding_p, outcome_of
from stablebert.report.statistics.scores import Interval


def make_effect(finding, p=0.5, quantity="mean"):
    return Effect(
        subject="RTE",
        quantity=quantity,
        value=Interval(value=0.0, low=0.0, high=0.0),
        unit="points",
        p=p,
        as_claimed=finding != "opposite",
        significant=finding != "inconclusive",
        text="",
    )


def effects_of(findings, **kwargs):
    return [make_effect(finding, **kwargs) for finding in findings]


YES, NO, OPEN = "as claimed", "opposite", "inconclusive"


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [
        pytest.param([], "not enough runs", id="without any task"),
        pytest.param([YES, YES, OPEN, OPEN], "holds", id="as claimed on half of the tasks"),
        pytest.param([YES, OPEN, OPEN, OPEN], "inconclusive", id="as claimed on a quarter"),
        pytest.param([OPEN], "inconclusive", id="inconclusive"),
        pytest.param([YES, YES, YES, NO], "does not hold", id="a significant counterexample"),
    ],
)
def test_the_verdict_on_a_claim_is(findings, outcome):
    assert outcome_of(effects_of(findings)) == outcome


@pytest.mark.parametrize(
    ("spreads", "outcome"), [(YES, "holds"), (OPEN, "inconclusive"), (NO, "does not hold")]
)
def test_a_claim_about_two_quantities_needs_both(spreads, outcome):
    effects = effects_of([YES], quantity="mean") + effects_of([spreads], quantity="spread")
    assert outcome_of(effects) == outcome


def test_the_p_value_of_a_claim_that_holds_is_the_largest_that_it_needs():
    effects = [make_effect(YES, p) for p in (0.001, 0.03, 0.02)] + [make_effect(OPEN, 0.6)]
    assert deciding_p(effects) == 0.02


def test_the_p_value_of_a_claim_that_does_not_hold_is_that_of_the_counterexample():
    effects = [make_effect(YES, 0.001), make_effect(NO, 0.04), make_effect(OPEN, 0.3)]
    assert deciding_p(effects) == 0.04


def test_the_p_value_of_an_inconclusive_claim_is_that_at_which_half_of_the_tasks_show_it():
    assert deciding_p([make_effect(OPEN, 0.2), make_effect(OPEN, 0.07)]) == 0.07


def test_an_estimate_against_the_claim_counts_as_one():
    against = replace(make_effect(OPEN, 0.01), as_claimed=False)
    assert deciding_p([against]) == 1.0


def test_a_claim_that_intervals_decide_has_no_p_value():
    assert deciding_p([make_effect(YES, None), make_effect(YES, None)]) is None


def test_a_claim_of_which_a_quantity_cannot_be_judged_is_inconclusive_without_p_value():
    effects = effects_of([YES], quantity="mean")
    assert outcome_of(effects, quantities=2) == "inconclusive"
    assert deciding_p(effects, quantities=2) is None
