"""The demo's tasks on one sentence: CoLA and SST-2."""

from stablebert.demo import world
from stablebert.demo.faults import ungrammatical
from stablebert.demo.grammar import PRONOUNS, Dice, Event, Noun, is_person, sentence
from stablebert.demo.pairs import Row
from stablebert.demo.reviews import review


def cola(label: int, dice: Dice) -> Row | None:
    """Return a grammatical sentence (1), or one with an error (0)."""
    e = with_pronouns(world.event(dice, present=0.5), dice)
    if dice.chance(0.15):
        e = world.negate(e, dice)
    text = e.say(dice) if label else ungrammatical(e, dice)
    return None if text is None else ((sentence(text),), label)


def with_pronouns(e: Event, dice: Dice) -> Event:
    """Return the event with pronouns in place of some people."""
    for slot in ("agent", "patient"):
        noun = getattr(e, slot)
        if is_person(noun) and dice.chance(0.3):
            pronoun = dice.one_of(list(PRONOUNS))
            if pronoun not in e.heads:
                e = e.with_part(slot, Noun(pronoun))
    return e


def sst2(label: int, dice: Dice) -> Row | None:
    """Return a review that praises (1) or criticizes (0)."""
    return (sentence(review(bool(label), dice)),), label
