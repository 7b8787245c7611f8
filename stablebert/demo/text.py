"""Unlabeled text in the demo language: pairs of sentences that could follow each other in writing.

The second sentence repeats the first in other words or with less detail, answers its question, or
continues with the same people. The text does not mark which of these a pair is, and contains no
contradictions and no ungrammatical sentences.
"""

from collections.abc import Iterator
from dataclasses import replace

from stablebert.demo import world
from stablebert.demo.grammar import (
    Dice,
    Event,
    Noun,
    ReportedEvent,
    Sequel,
    is_person,
    sentence,
)
from stablebert.demo.inference import report
from stablebert.demo.lexicon import MEN, WOMEN
from stablebert.demo.paraphrase import question_slots, sequel
from stablebert.demo.reviews import opinion, review

REVIEWS = 2
"""Number of reviews in a row, each a pair of sentences with the same opinion."""


def text_pairs(seed: str) -> Iterator[tuple[str, str]]:
    """Yield pairs of sentences without end; the same seed gives the same pairs."""
    dice = Dice(f"text {seed}")
    while True:
        e = world.event(dice, present=0.15)
        if dice.chance(0.25):
            e = world.negate(e, dice)
        kind = dice.random()
        if kind < 0.47:
            yield _as_sentence(e, dice), _as_sentence(restatement(e, dice), dice)
        elif kind < 0.63 and not (e.negated or e.present):
            slot = dice.one_of(question_slots(e))
            question = sentence(e.ask(slot, dice), "?")
            repeat = dice.chance(0.3)
            yield question, sentence(e.ask(slot, dice), "?") if repeat else _as_sentence(e, dice)
        elif kind < 0.72:
            both = sequel(dice)
            yield _as_sentence(both, dice), _as_sentence(both, dice)
        elif kind < 0.78:
            for _ in range(REVIEWS):
                good = dice.chance(0.5)
                yield _opinion(good, dice), _opinion(good, dice)
        else:
            yield _as_sentence(e, dice), _as_sentence(next_event(e, dice), dice)


def _as_sentence(meaning: Event | ReportedEvent | Sequel, dice: Dice) -> str:
    return sentence(meaning.say(dice))


def _opinion(good: bool, dice: Dice) -> str:
    return sentence((opinion if dice.chance(0.8) else review)(good, dice))


def restatement(e: Event, dice: Dice) -> Event | ReportedEvent:
    """Return the event, an event that it entails, or a report of it."""
    if dice.chance(0.15):
        return report(e, dice, factive=dice.chance(0.5))
    if not e.negated and dice.chance(0.5):
        return world.apply_one(e, world.SAY_LESS, dice) or e
    return e


def next_event(e: Event, dice: Dice) -> Event:
    """Return another event that shares people or the place with this one."""
    new = world.event(dice, present=float(e.present))
    people = [n for n in (e.agent, e.patient, e.recipient) if n and is_person(n)]
    if people and is_person(new.agent):
        others = {n.head for n in (new.patient, new.recipient) if n}
        person = dice.one_of(people)
        if person.head not in others:
            new = replace(new, agent=pronoun_of(person, dice) if dice.chance(0.3) else person)
    return replace(new, place=e.place) if dice.chance(0.5) else new


def pronoun_of(noun: Noun, dice: Dice) -> Noun:
    """Return `they` for a plural, else `she` or `he`; random if the name does not decide."""
    if noun.plural:
        return Noun("they")
    either = "she" if dice.chance(0.5) else "he"
    return Noun("she" if noun.head in WOMEN else "he" if noun.head in MEN else either)
