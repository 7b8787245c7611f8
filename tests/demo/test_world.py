"""Changes of events, and what entails what."""

from dataclasses import replace

import pytest

from stablebert.demo import world
from stablebert.demo.grammar import Dice, Noun
from stablebert.demo.inference import premise
from stablebert.demo.paraphrase import NEAR_MISSES
from tests.helpers.meanings import GAVE, HELPED

DICE = Dice("")
JEWEL = replace(GAVE, patient=Noun("jewel", "a"), time="")
NEVER, NEVER_JEWEL = replace(GAVE, negated=True), replace(JEWEL, negated=True)
TWO = replace(GAVE, patient=Noun("ring", "two"))
SOME = replace(TWO, patient=Noun("ring", "some"))
THREE = replace(GAVE, patient=Noun("ring", "three"))


def test_swap_exchanges_giver_and_recipient():
    swapped = replace(GAVE, agent=Noun("dentist", "the"), recipient=Noun("Mary"))
    assert world.swap(GAVE, DICE) == swapped


def test_swap_exchanges_two_people():
    swapped = replace(HELPED, agent=HELPED.patient, patient=HELPED.agent)
    assert world.swap(HELPED, DICE) == swapped


def test_swap_does_not_apply_to_a_person_and_an_object():
    assert world.swap(replace(HELPED, patient=Noun("car", "the")), DICE) is None


@pytest.mark.parametrize(
    "change", sorted({*NEAR_MISSES, *world.SAY_LESS, world.add, world.negate}, key=str)
)
def test_every_change_changes_the_event(change):
    dice = Dice("changes")
    for _ in range(200):
        e = world.event(dice)
        assert change(e, dice) != e


def test_fewer_replaces_a_number_by_some():
    assert world.fewer(THREE, DICE) == replace(THREE, patient=Noun("ring", "some"))


def test_lift_names_the_class():
    dice = Dice("lift")
    assert {world.lift(GAVE, dice).patient.head for _ in range(40)} == {"jewel"}


@pytest.mark.parametrize(
    ("first", "second"), [(GAVE, JEWEL), (NEVER_JEWEL, NEVER), (TWO, SOME)], ids=str
)
def test_specific_event_entails_the_general_one_and_negation_reverses_it(first, second):
    assert world.entails(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (JEWEL, GAVE),
        (NEVER, NEVER_JEWEL),
        (GAVE, NEVER),
        (TWO, GAVE),
        (GAVE, world.swap(GAVE, DICE)),
    ],
    ids=str,
)
def test_other_events_are_not_entailed(first, second):
    assert not world.entails(first, second)


def test_negated_event_leaves_only_indefinite_participants_open():
    dice = Dice("definite")
    applied = 0
    for _ in range(500):
        e = premise(dice)
        if not e.negated:
            continue
        nouns = {s: getattr(e, s) for s in ("agent", "patient", "recipient")}
        definite = [s for s, noun in nouns.items() if noun and noun.det != "a"]
        for change in (world.drop, world.lift, world.add):
            new = change(e, dice)
            assert new is None or all(getattr(new, s) == nouns[s] for s in definite)
            applied += new is not None
    assert applied > 200
