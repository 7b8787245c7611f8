"""Unlabelled text in the demo language: pairs of sentences as they stand side by side in writing.

Writing says things twice, in other words and with less detail; asks and answers; and goes on about
the same people. Nothing here says which of these a pair is, and nothing false or broken is written.
"""

from collections.abc import Iterator
from dataclasses import replace

from stablebert.demo import world
from stablebert.demo.grammar import (
    Dice,
    Event,
    Noun,
    Sequel,
    Told,
    is_person,
    sentence,
)
from stablebert.demo.lexicon import MEN, WOMEN
from stablebert.demo.reviews import opinion, review
from stablebert.demo.tasks import sequel, slots, told

REVIEWS = 2
"""Reviews stand together, each of two sentences of one opinion."""


def pairs(seed: str) -> Iterator[tuple[str, str]]:
    """Pairs of sentences without end; the same seed gives the same ones."""
    dice = Dice(f"text {seed}")
    while True:
        e = world.event(dice, present=0.15)
        if dice.chance(0.25):
            e = world.negate(e, dice)
        kind = dice.random()
        if kind < 0.47:
            yield _written(e, dice), _written(retold(e, dice), dice)
        elif kind < 0.63 and not (e.negated or e.present):
            slot = dice.one_of(slots(e))
            asked = sentence(e.ask(slot, dice), "?")
            again = dice.chance(0.3)
            yield asked, sentence(e.ask(slot, dice), "?") if again else _written(e, dice)
        elif kind < 0.72:
            both = sequel(dice)
            yield _written(both, dice), _written(both, dice)
        elif kind < 0.78:
            for _ in range(REVIEWS):
                good = dice.chance(0.5)
                yield _reviewed(good, dice), _reviewed(good, dice)
        else:
            yield _written(e, dice), _written(next_event(e, dice), dice)


def _written(meaning: Event | Told | Sequel, dice: Dice) -> str:
    return sentence(meaning.say(dice))


def _reviewed(good: bool, dice: Dice) -> str:
    return sentence((opinion if dice.chance(0.8) else review)(good, dice))


def retold(e: Event, dice: Dice) -> Event | Told:
    """What is said again: the same, or what follows from it; or who knew, or said so."""
    if dice.chance(0.15):
        return told(e, dice, known=dice.chance(0.5))
    if not e.negated and dice.chance(0.5):
        return world.changed(e, world.SAY_LESS, dice) or e
    return e


def next_event(e: Event, dice: Dice) -> Event:
    """Something else, with some of the same people, places and things in it."""
    new = world.event(dice, present=float(e.present))
    people = [n for n in (e.agent, e.patient, e.recipient) if n and is_person(n)]
    if people and is_person(new.agent):
        taken = {n.head for n in (new.patient, new.recipient) if n}
        again = dice.one_of(people)
        if again.head not in taken:
            new = replace(new, agent=pronoun_of(again, dice) if dice.chance(0.3) else again)
    return replace(new, place=e.place) if dice.chance(0.5) else new


def pronoun_of(noun: Noun, dice: Dice) -> Noun:
    """`they` of several; else `she` or `he`, either where no name tells."""
    if noun.plural:
        return Noun("they")
    either = "she" if dice.chance(0.5) else "he"
    return Noun("she" if noun.head in WOMEN else "he" if noun.head in MEN else either)
