"""Entailed, undetermined and contradicted events, and answers to questions."""

from dataclasses import replace

import pytest

from stablebert.demo import inference, world
from stablebert.demo.grammar import Dice
from tests.helpers.meanings import GAVE, HELPED

YES = replace(GAVE, time="")
NO = world.negate(YES, Dice(""))


@pytest.mark.parametrize("e", [YES, NO], ids=["affirmed", "denied"])
def test_entailed_event_follows(e):
    dice = Dice("entailment")
    assert all(world.entails(e, inference.entailed_event(e, dice)) for _ in range(300))


@pytest.mark.parametrize("e", [YES, NO], ids=["affirmed", "denied"])
def test_undetermined_event_does_not_follow(e):
    dice = Dice("entailment")
    for _ in range(300):
        new = inference.undetermined_event(e, dice)
        # a part may be left out and added again; rows are checked once more
        assert new is None or new == e or not world.entails(e, new)


@pytest.mark.parametrize("e", [YES, NO], ids=["affirmed", "denied"])
def test_contradicted_event_has_the_opposite_polarity(e):
    dice = Dice("entailment")
    assert all(inference.contradicting_event(e, dice).negated != e.negated for _ in range(300))


@pytest.mark.parametrize(
    ("statement", "slot"), [(HELPED, "place"), (replace(HELPED, place=""), "place")]
)
def test_statement_answers_only_with_the_part_asked_for(statement, slot):
    assert inference.answers(statement, HELPED, slot) == bool(getattr(statement, slot))


def test_more_specific_statement_answers():
    assert inference.answers(HELPED, replace(HELPED, place=""), "agent")


def test_less_specific_statement_may_be_about_another_event():
    assert not inference.answers(replace(HELPED, place=""), HELPED, "agent")


def test_statement_about_exchanged_people_does_not_answer():
    assert not inference.answers(world.swap(HELPED, Dice("")), HELPED, "agent")
