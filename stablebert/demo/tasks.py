"""Eight GLUE-shaped tasks: what a row's label says follows from the meanings of its sentences."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from stablebert.demo import world
from stablebert.demo.broken import broken
from stablebert.demo.grammar import (
    PRONOUNS,
    Dice,
    Event,
    Meaning,
    Noun,
    Sequel,
    Told,
    is_person,
    sentence,
)
from stablebert.demo.lexicon import FACTIVE, KIND, OPEN
from stablebert.demo.reviews import review

Row = tuple[tuple[str, ...], float]
SHORTEST, LONGEST = 6, 14
"""Words of a sentence."""

NEAR_MISSES = (
    world.swap,
    world.swap,
    world.other_agent,
    world.other_patient,
    world.other_number,
    world.other_verb,
    world.other_place,
    world.other_time,
)


def near_miss(e: Event, dice: Dice, changes: Sequence[world.Change] = NEAR_MISSES) -> Event | None:
    """Another event; mostly one in which two people change parts, so that no word differs."""
    swapped = world.swap(e, dice) if dice.chance(0.7) else None
    return swapped or world.changed(e, changes, dice)


def between_people(dice: Dice) -> Event:
    """An event, more often than elsewhere one in which two people could change parts."""
    while True:
        e = world.event(dice)
        if world.swap(e, dice) or dice.chance(0.3):
            return e


def fits(text: str) -> bool:
    """Whether a sentence has a length that the tasks allow."""
    return SHORTEST <= len(text.split()) <= LONGEST


# ---------------------------------------------------------------- one sentence


def cola(label: int, dice: Dice) -> Row | None:
    """Grammatical, or broken in one place."""
    e = with_pronouns(world.event(dice, present=0.5), dice)
    if dice.chance(0.15):
        e = world.negate(e, dice)
    text = e.say(dice) if label else broken(e, dice)
    return None if text is None else ((sentence(text),), label)


def with_pronouns(e: Event, dice: Dice) -> Event:
    """Now and then a pronoun for a person."""
    for slot in ("agent", "patient"):
        noun = getattr(e, slot)
        if is_person(noun) and dice.chance(0.3):
            pronoun = dice.one_of(list(PRONOUNS))
            if pronoun not in e.heads:
                e = replace(e, **{slot: Noun(pronoun)})
    return e


def sst2(label: int, dice: Dice) -> Row | None:
    """Praise or blame."""
    return (sentence(review(bool(label), dice)),), label


# ---------------------------------------------------------------- the same, or nearly so

Wording = Callable[[bool], str]
"""What words a meaning, in the passive voice if told so and if there is one."""


def worded(first: Wording, second: Wording | None, dice: Dice) -> tuple[str, str] | None:
    """Two wordings, in voices that do not depend on what is compared; None where they are equal.

    Args:
        first: of the one meaning.
        second: of the other; None: the same meaning again, in other words.
        dice: chooses the voices.
    """
    voices = [dice.chance(0.4) for _ in range(2)]
    text = first(voices[0])
    # a meaning that has no other wording is left out whatever it is compared with
    again = next((t for t in (first(voices[1]) for _ in range(8)) if t != text), None)
    other = second(voices[1]) if second else again
    return None if None in (again, other) or other == text else (text, str(other))


def pair(first: Meaning, second: Meaning | None, label: float, dice: Dice) -> Row | None:
    """Two sentences, in different words."""
    if second is None:
        return None

    def say(meaning: Meaning) -> Wording:
        return lambda passive: sentence(meaning.say(dice, passive=passive))

    texts = worded(say(first), None if second == first else say(second), dice)
    return texts and (texts, label)


def mrpc(label: int, dice: Dice) -> Row | None:
    """The same in other words; or nearly the same."""
    first = sequel(dice) if dice.chance(0.2) else world.event(dice)
    second: Meaning | None = first
    if not label:
        if isinstance(first, Sequel):
            second = Sequel(first.second, first.first)
        else:
            second = world.changed(first, NEAR_MISSES, dice)
    return pair(first, second, label, dice)


def sequel(dice: Dice) -> Sequel:
    """Two short events, of different people."""

    def short() -> Event:
        e = world.event(dice, fits=lambda verb: not verb.patient and verb.agent == "person")
        return replace(e, time="", manner="")

    first, second = short(), short()
    return Sequel(first, second) if first.agent.head != second.agent.head else sequel(dice)


def slots(e: Event) -> list[str]:
    """What can be asked about an event."""
    return ["agent", *(s for s in ("patient", "recipient", "place", "time") if getattr(e, s))]


def without(e: Event, slot: str) -> Event:
    """An event of which one part is not said."""
    gone = Noun("") if slot in ("agent", "patient", "recipient") else ""
    return e if slot == "whether" else replace(e, **{slot: gone})


def qqp(label: int, dice: Dice) -> Row | None:
    """The same question in other words; or nearly the same."""
    e = world.event(dice)
    slot = dice.one_of([*slots(e), "whether"])
    other = e if label else world.changed(e, NEAR_MISSES, dice)
    # what is asked for is not said, so that it may be anything
    if other is None or (not label and without(other, slot) == without(e, slot)):
        return None

    def ask(event: Event) -> Wording:
        return lambda passive: sentence(event.ask(slot, dice, passive=passive), "?")

    texts = worded(ask(e), None if label else ask(other), dice)
    return texts and (texts, label)


def stsb(label: float, dice: Dice) -> Row | None:
    """Graded by what the two have in common; `label` is the grade that is wanted, 0 to 5."""
    first = between_people(dice)
    second: Event | None = first
    if label < 0.5:
        second = between_people(dice)
    else:
        for _ in range(round(dice.random() * 3)):
            second = second and near_miss(second, dice, (*NEAR_MISSES, *world.SAY_LESS))
    if second is None:
        return None
    grade = shared(first, second)
    return pair(first, second, grade, dice) if abs(grade - label) < 0.5 else None


def shared(a: Event, b: Event) -> float:
    """What two events have in common, from 0 to 5, in fifths as STS-B has it."""
    have: list[tuple[float, float]] = [(1.5, a.verb == b.verb)]
    for slot, weight in (("agent", 1.5), ("patient", 1.5), ("recipient", 1.0)):
        x, y = getattr(a, slot), getattr(b, slot)
        if x or y:
            have.append((weight, _likeness(x, y)))
    for slot, weight in (("place", 0.7), ("time", 0.7), ("manner", 0.5)):
        x, y = getattr(a, slot), getattr(b, slot)
        if x or y:
            have.append((weight, 1.0 if x == y else 0.5 if not (x and y) else 0.0))
    grade = 5 * sum(w * part for w, part in have) / sum(w for w, _ in have)
    return round(grade * 5) / 5


def _likeness(x: Noun | None, y: Noun | None) -> float:
    if x is None or y is None:
        return 0.0
    if x.head != y.head:
        return 0.6 if KIND.get(x.head) == y.head else 0.0
    return 1.0 - 0.15 * (x.adj != y.adj) - 0.5 * (x.det != y.det)


# ---------------------------------------------------------------- what follows


def premise(dice: Dice) -> Event:
    """An event, said to be so or not."""
    e = world.event(dice)
    if dice.chance(0.4):
        e = world.negate(e, dice)
        if e.patient and not is_person(e.patient):
            e = replace(e, patient=replace(e.patient, det="a"))
    return e


def entailed(e: Event, dice: Dice) -> Event | None:
    """An event that must be so (or not) if this one is."""
    if e.negated:
        return world.add(e, dice)
    less = world.changed(e, world.SAY_LESS, dice)
    return world.changed(less, world.SAY_LESS, dice) or less if less and dice.chance(0.5) else less


def left_open(e: Event, dice: Dice) -> Event | None:
    """An event that may be so or not if this one is; often said to be the opposite."""
    opposite = dice.chance(0.35)
    if e.negated:  # not at noon: perhaps not at all
        less = world.changed(e, (world.drop, world.lift), dice)
        return less and (world.negate(less, dice) if opposite else less)
    less = world.changed(e, world.SAY_LESS[:2], dice) if dice.chance(0.5) else e
    more = less and world.add(less, dice)
    if more is None or world.differs(e, more) or world.entails(e, more):
        return None
    return world.negate(more, dice) if opposite else more


def ruled_out(e: Event, dice: Dice) -> Event | None:
    """An event that cannot be so (or not) if this one is."""
    if e.negated:
        more = world.add(e, dice) if dice.chance(0.5) else e
        return more and world.negate(more, dice)
    less = world.changed(e, world.SAY_LESS[:2], dice) if dice.chance(0.5) else e
    return less and world.negate(less, dice)


def rte(label: int, dice: Dice) -> Row | None:
    """Does the second follow from the first? (0: it does)."""
    e = premise(dice)
    if dice.chance(0.15):
        return pair(told(e, dice, known=not label), e, label, dice)
    kind = dice.random()
    if not label:
        new = entailed(e, dice)
    elif kind < 0.35:
        new = left_open(e, dice)
    elif kind < 0.55:
        new = ruled_out(e, dice)
    else:
        changes = (world.swap, world.other_agent, world.other_patient, world.other_verb)
        wrong = world.changed(e, changes, dice)
        new = wrong and (entailed(wrong, dice) or wrong)
    return _inferred(e, new, label, dice)


def _inferred(e: Event, new: Event | None, label: int, dice: Dice) -> Row | None:
    """A pair, if the second follows exactly where the label says so."""
    if new is None or world.entails(e, new) != (label == 0):
        return None
    return pair(e, new, label, dice)


def mnli(label: int, dice: Dice) -> Row | None:
    """Does the second follow (0), is it open (1), or is it ruled out (2)?"""
    e = premise(dice)
    if label < 2 and dice.chance(0.15):
        return pair(told(e, dice, known=not label), e, label, dice)
    return _inferred(e, (entailed, left_open, ruled_out)[label](e, dice), label, dice)


def told(e: Event, dice: Dice, *, known: bool) -> Told:
    """Somebody who has no part in it knows of an event, or says so."""
    speaker = Noun(dice.one_of([name for name in world.NAMES if name not in e.heads]))
    return Told(dice.one_of(FACTIVE if known else OPEN), speaker, e)


def qnli(label: int, dice: Dice) -> Row | None:
    """Does the sentence hold the answer to the question? (0: it does)."""
    e = between_people(dice)
    slot = dice.one_of(slots(e))
    asked = e
    details = [s for s in ("place", "time", "manner") if s != slot and getattr(e, s)]
    if details and dice.chance(0.5):
        asked = replace(e, **{dice.one_of(details): ""})
    said: Event | None = e
    if label and slot in ("place", "time") and dice.chance(0.5):
        said = replace(e, **{slot: ""})
    elif label:
        misses = [miss for miss in NEAR_MISSES if miss is not world.other_number]
        said = near_miss(e, dice, misses)
    if said is None or answers(said, asked, slot) == bool(label):
        return None
    return (sentence(asked.ask(slot, dice), "?"), sentence(said.say(dice))), label


def answers(said: Event, asked: Event, slot: str) -> bool:
    """Whether an event tells what is asked for of another."""
    return bool(getattr(said, slot)) and world.entails(without(said, slot), without(asked, slot))


TASKS: dict[str, tuple[Callable[[Any, Dice], Row | None], tuple[float, ...]]] = {
    "cola": (cola, (0.3, 0.7)),
    "sst2": (sst2, (0.44, 0.56)),
    "mrpc": (mrpc, (0.33, 0.67)),
    "stsb": (stsb, (1 / 6,) * 6),
    "qqp": (qqp, (0.63, 0.37)),
    "mnli": (mnli, (1 / 3,) * 3),
    "qnli": (qnli, (0.5, 0.5)),
    "rte": (rte, (0.5, 0.5)),
}
"""Function and share of each label (near GLUE's own; of each grade for STS-B)."""


def rows(task: str, n: int, seed: str, without: Iterable[Row] = ()) -> list[Row]:
    """`n` different rows of a task.

    Args:
        task: name in GLUE.
        n: rows.
        seed: the same seed gives the same rows, and more of them where `n` is larger.
        without: rows that are not to be among them.
    """
    make, shares = TASKS[task]
    dice = Dice(f"{task} {seed}")
    made = dict(without)
    first, end = len(made), len(made) + n
    while len(made) < end:
        u, label = dice.random(), 0
        while label < len(shares) - 1 and u >= shares[label]:
            u -= shares[label]
            label += 1
        row = None
        while row is None or not all(fits(text) for text in row[0]) or row[0] in made:
            row = make(label, dice)
        made[row[0]] = row[1]
    return list(made.items())[first:]
