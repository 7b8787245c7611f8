"""The demo's tasks on entailment: RTE, MNLI and QNLI."""

from dataclasses import replace

from stablebert.demo import world
from stablebert.demo.grammar import Dice, Event, Noun, ReportedEvent, is_person, sentence
from stablebert.demo.lexicon import FACTIVE, NON_FACTIVE
from stablebert.demo.pairs import Row, sentence_pair
from stablebert.demo.paraphrase import (
    NEAR_MISSES,
    event_between_people,
    near_miss,
    question_slots,
    without_part,
)


def premise(dice: Dice) -> Event:
    """Return a random event, affirmed or denied."""
    e = world.event(dice)
    if dice.chance(0.4):
        e = world.negate(e, dice)
        if e.patient and not is_person(e.patient):
            e = replace(e, patient=replace(e.patient, det="a"))
    return e


def entailed_event(e: Event, dice: Dice) -> Event | None:
    """Return an event that follows from this one."""
    if e.negated:
        return world.add(e, dice)
    less = world.apply_one(e, world.SAY_LESS, dice)
    return (
        world.apply_one(less, world.SAY_LESS, dice) or less if less and dice.chance(0.5) else less
    )


def undetermined_event(e: Event, dice: Dice) -> Event | None:
    """Return an event that neither follows from this one nor contradicts it."""
    opposite = dice.chance(0.35)
    if e.negated:  # not at noon: perhaps at another time, perhaps never
        less = world.apply_one(e, (world.drop, world.lift), dice)
        return less and (world.negate(less, dice) if opposite else less)
    less = world.apply_one(e, world.SAY_LESS[:2], dice) if dice.chance(0.5) else e
    more = less and world.add(less, dice)
    if more is None or world.differs(e, more) or world.entails(e, more):
        return None
    return world.negate(more, dice) if opposite else more


def contradicting_event(e: Event, dice: Dice) -> Event | None:
    """Return an event that contradicts this one."""
    if e.negated:
        more = world.add(e, dice) if dice.chance(0.5) else e
        return more and world.negate(more, dice)
    less = world.apply_one(e, world.SAY_LESS[:2], dice) if dice.chance(0.5) else e
    return less and world.negate(less, dice)


def rte(label: int, dice: Dice) -> Row | None:
    """Return two sentences of which the second follows from the first (0) or does not (1)."""
    e = premise(dice)
    if dice.chance(0.15):
        return sentence_pair(report(e, dice, factive=not label), e, label, dice)
    kind = dice.random()
    if not label:
        hypothesis = entailed_event(e, dice)
    elif kind < 0.35:
        hypothesis = undetermined_event(e, dice)
    elif kind < 0.55:
        hypothesis = contradicting_event(e, dice)
    else:
        changes = (world.swap, world.other_agent, world.other_patient, world.other_verb)
        other = world.apply_one(e, changes, dice)
        hypothesis = other and (entailed_event(other, dice) or other)
    return _inference(e, hypothesis, label, dice)


def mnli(label: int, dice: Dice) -> Row | None:
    """Return two sentences: the second follows (0), is undetermined (1) or is contradicted (2)."""
    e = premise(dice)
    if label < 2 and dice.chance(0.15):
        return sentence_pair(report(e, dice, factive=not label), e, label, dice)
    draw_hypothesis = (entailed_event, undetermined_event, contradicting_event)[label]
    return _inference(e, draw_hypothesis(e, dice), label, dice)


def _inference(e: Event, hypothesis: Event | None, label: int, dice: Dice) -> Row | None:
    """Return a row; None if there is no hypothesis or its entailment contradicts the label."""
    if hypothesis is None or world.entails(e, hypothesis) != (label == 0):
        return None
    return sentence_pair(e, hypothesis, label, dice)


def report(e: Event, dice: Dice, *, factive: bool) -> ReportedEvent:
    """Return a statement by a person outside the event, with a verb that implies it or does not."""
    speaker = Noun(dice.one_of([name for name in world.NAMES if name not in e.heads]))
    return ReportedEvent(dice.one_of(FACTIVE if factive else NON_FACTIVE), speaker, e)


def qnli(label: int, dice: Dice) -> Row | None:
    """Return a question and a sentence that answers it (0) or does not (1)."""
    e = event_between_people(dice)
    slot = dice.one_of(question_slots(e))
    question = e
    details = [s for s in ("place", "time", "manner") if s != slot and getattr(e, s)]
    if details and dice.chance(0.5):
        question = e.with_part(dice.one_of(details), "")
    statement: Event | None = e
    if label and slot in ("place", "time") and dice.chance(0.5):
        statement = e.with_part(slot, "")
    elif label:
        misses = [miss for miss in NEAR_MISSES if miss is not world.other_number]
        statement = near_miss(e, dice, misses)
    if statement is None or answers(statement, question, slot) == bool(label):
        return None
    return (sentence(question.ask(slot, dice), "?"), sentence(statement.say(dice))), label


def answers(statement: Event, question: Event, slot: str) -> bool:
    """Return whether a statement answers the question about one part of an event."""
    if not getattr(statement, slot):
        return False
    return world.entails(without_part(statement, slot), without_part(question, slot))
