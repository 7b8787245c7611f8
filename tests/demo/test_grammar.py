"""Sentences and questions of the demo's grammar."""

from dataclasses import replace

import pytest

from stablebert.demo.grammar import (
    Event,
    Noun,
    ReportedEvent,
    Sequel,
    participle,
    past,
    plural,
    third,
)
from tests.helpers.meanings import GAVE, HELPED, questions, wordings

SLEPT = Event("sleep", Noun("dog", "the", many=True))
WASHED = Event("wash", Noun("Mary"), Noun("apple", "a"), negated=True)
HABIT = Event("wash", Noun("she"), Noun("they"), present=True)
EVE_HELPED = replace(HELPED, verb="help", agent=Noun("Eve"))
MARY_GAVE = replace(GAVE, verb="give", place="", time="")


def test_recipient_and_synonyms_vary_and_the_meaning_does_not():
    assert wordings(replace(GAVE, place="", time="")) == {
        f"Mary {verb} {objects}"
        for verb in ("gave", "handed")
        for objects in ("an old ring to the dentist", "the dentist an old ring")
    } | {f"an old ring was {verb} to the dentist by Mary" for verb in ("given", "handed")}


def test_place_may_come_first_or_last():
    texts = {
        text.replace("assisted", "helped").replace("physician", "doctor")
        for text in wordings(HELPED)
    }
    assert texts == {
        "the doctor helped Adam in the park",
        "in the park, the doctor helped Adam",
        "Adam was helped by the doctor in the park",
        "in the park, Adam was helped by the doctor",
    }


@pytest.mark.parametrize(
    ("meaning", "texts"),
    [
        (SLEPT, {"the dogs slept"}),
        (replace(SLEPT, negated=True), {"the dogs did not sleep"}),
        (replace(SLEPT, present=True), {"the dogs sleep"}),
        (HABIT, {"she washes them", "they are washed by her"}),
        (
            replace(HABIT, negated=True),
            {"she does not wash them", "they are not washed by her"},
        ),
    ],
)
def test_verb_agrees_in_number_tense_and_negation(meaning, texts):
    assert wordings(meaning) == texts


def test_indefinite_patient_has_no_negated_passive():
    # "an apple was not washed" leaves other apples open
    assert wordings(WASHED) == {"Mary did not wash an apple"}


def test_definite_patient_has_a_negated_passive():
    washed = replace(WASHED, patient=Noun("apple", "the"))
    assert "the apple was not washed by Mary" in wordings(washed)


def test_some_takes_a_plural_verb():
    washed = Event("wash", Noun("Mary"), Noun("apple", "some"))
    assert "some apples were washed by Mary" in wordings(washed)


@pytest.mark.parametrize(
    ("event", "slot", "texts"),
    [
        (EVE_HELPED, "agent", {"who helped Adam in the park"}),
        (
            EVE_HELPED,
            "patient",
            {"who did Eve help in the park", "who was helped by Eve in the park"},
        ),
        (EVE_HELPED, "place", {"where did Eve help Adam", "where was Adam helped by Eve"}),
        (
            EVE_HELPED,
            "whether",
            {"did Eve help Adam in the park", "was Adam helped by Eve in the park"},
        ),
        (MARY_GAVE, "recipient", {"who did Mary give an old ring to"}),
        (MARY_GAVE, "patient", {"what did Mary give to the dentist"}),
        (Event("chase", Noun("dog", "the"), Noun("Adam")), "agent", {"what chased Adam"}),
    ],
)
def test_question_asks_for_one_part(event, slot, texts):
    assert questions(event, slot) == texts


def test_sequel_has_four_orders():
    sang, waited = Event("sing", Noun("Ben")), Event("wait", Noun("Amy"))
    assert wordings(Sequel(sang, waited)) == {
        "Ben sang before Amy waited",
        "Amy waited after Ben sang",
        "before Amy waited, Ben sang",
        "after Ben sang, Amy waited",
    }


def test_reported_event_is_a_that_clause():
    sang = Event("sing", Noun("Ben"))
    assert wordings(ReportedEvent("know", Noun("Leo"), sang)) == {"Leo knew that Ben sang"}


@pytest.mark.parametrize(
    ("base", "forms"),
    {
        "carry": ("carries", "carried", "carried"),
        "play": ("plays", "played", "played"),
        "wash": ("washes", "washed", "washed"),
        "fix": ("fixes", "fixed", "fixed"),
        "lose": ("loses", "lost", "lost"),
        "write": ("writes", "wrote", "written"),
        "drop": ("drops", "dropped", "dropped"),
    }.items(),
)
def test_verb_forms_are_correct(base, forms):
    assert (third(base), past(base), participle(base)) == forms


@pytest.mark.parametrize(
    ("noun", "expected"),
    {
        "box": "boxes",
        "sheep": "sheep",
        "craftsman": "craftsmen",
        "wrench": "wrenches",
        "lily": "lilies",
        "goose": "geese",
        "toy": "toys",
    }.items(),
)
def test_plurals_are_correct(noun, expected):
    assert plural(noun) == expected
