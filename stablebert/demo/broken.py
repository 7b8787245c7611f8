"""Sentences with one fault, of the kinds that a grammar book warns of, for CoLA."""

from dataclasses import replace

from stablebert.demo import world
from stablebert.demo.grammar import (
    PRONOUNS,
    Dice,
    Event,
    Noun,
    is_person,
    participle,
    past,
    third,
)
from stablebert.demo.lexicon import KIND

BEFORE = {"the", "a", "an", "in", "at", "on", "near", "behind", "by", "every"}
NEEDED = {"was", "were", "is", "are"}
NO_OBJECT = ("sleep", "laugh", "smile", "wait", "cough", "sneeze")
OBJECT = {
    "find/discover": "discover",
    "repair/fix": "repair",
    "wear": "wear",
    "hire/employ": "employ",
}
"""Verbs that go with nothing after them, or never without; in the word of which that is sure."""


def broken(e: Event, dice: Dice) -> str | None:
    """An event in a sentence that is not English; None where the fault drawn cannot be made."""
    faults = (_agreement, _case, _order, _missing, _doubled, _frame, _auxiliary, _article)
    return dice.one_of(faults)(e, dice)


def _agreement(e: Event, dice: Dice) -> str | None:
    base = dice.word(e.verb)
    if not e.present or e.agent.head == "sheep" or past(base) == base:
        return None
    right = replace(e, verb=base).say(dice, plain=True)
    forms = ("do", "does") if e.negated else (base, third(base))
    return _replaced(right, *(forms if e.agent.plural else forms[::-1]))


def _case(e: Event, dice: Dice) -> str | None:
    pronoun = dice.one_of(list(PRONOUNS))
    if is_person(e.agent) and dice.chance(0.5):
        words = replace(e, agent=Noun(pronoun)).say(dice, plain=True).split()
        return " ".join([PRONOUNS[pronoun], *words[1:]])
    if e.patient and is_person(e.patient) and not e.recipient:
        text = replace(e, patient=Noun(pronoun)).say(dice, plain=True)
        return _replaced(text, PRONOUNS[pronoun], pronoun)
    return None


def _order(e: Event, dice: Dice) -> str | None:
    words = e.say(dice).split()
    places = [i for i, word in enumerate(words[:-1]) if word in BEFORE and words[i + 1][-1] != ","]
    if not places:
        return None
    i = dice.one_of(places)
    words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def _missing(e: Event, dice: Dice) -> str | None:
    needed = set(NEEDED)
    if e.patient:  # "jumped the bench" and "wandered the hall" are no faults
        needed |= {"at", "near", "behind"}
        if e.verb not in ("call/phone", "teach/instruct"):  # "was called the professor"
            needed.add("by")
        kind = KIND.get(e.patient.head, "")
        # nor are "cooked cabbage", "played guitar", "fed sheep"
        if (
            kind not in ("fruit", "vegetable", "instrument", "vehicle")
            and e.patient.head != "sheep"
        ):
            needed |= {"a", "an"}
    return _without_one_of(needed, e.say(dice).split(), dice)


def _without_one_of(needed: set[str], words: list[str], dice: Dice) -> str | None:
    places = [i for i, word in enumerate(words) if word in needed]
    if not places:
        return None
    i = dice.one_of(places)
    return " ".join(words[:i] + words[i + 1 :])


def _doubled(e: Event, dice: Dice) -> str | None:
    words = e.say(dice).split()
    places = [i for i, word in enumerate(words) if word in BEFORE | NEEDED | {"to"}]
    if not places or dice.chance(0.6):  # it can always be made, and is easily seen
        return None
    i = dice.one_of(places)
    return " ".join([*words[:i], words[i], *words[i:]])


def _frame(e: Event, dice: Dice) -> str | None:
    if e.verb in NO_OBJECT:
        kind = dice.one_of(["fruit", "tool", "garment", "toy"])
        return replace(e, patient=world.something(kind, dice)).say(dice, plain=True)
    if e.verb in OBJECT:
        return replace(e, verb=OBJECT[e.verb], patient=None).say(dice, plain=True)
    return None


def _auxiliary(e: Event, dice: Dice) -> str | None:
    base = dice.word(e.verb)
    if base in ("find", "pet"):  # "did not found", "was pet"
        return None
    e = replace(e, manner="", verb=base, present=False, time="" if e.present else e.time)
    if dice.chance(0.5):
        text = replace(e, negated=True).say(dice, plain=True)
        return _replaced(text, f"not {base}", f"not {past(base)}")
    if e.patient is None:
        return None
    return _replaced(replace(e, negated=False).passive(dice), participle(base), base)


def _article(e: Event, dice: Dice) -> str | None:
    words = e.say(dice).split()
    places = [i for i, word in enumerate(words) if word in ("a", "an")]
    if not places:
        return None
    i = dice.one_of(places)
    words[i] = {"a": "an", "an": "a"}[words[i]]
    return " ".join(words)


def _replaced(text: str, old: str, new: str) -> str | None:
    out = f" {text} ".replace(f" {old} ", f" {new} ", 1).strip()
    return None if out == text else out
