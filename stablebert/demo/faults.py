"""Sentences with one grammatical error, for CoLA."""

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

LINKS = {"the", "a", "an", "in", "at", "on", "near", "behind", "by", "every"}
"""Words that need another word after them."""
AUXILIARIES = {"was", "were", "is", "are"}
INTRANSITIVE = ("sleep", "laugh", "smile", "wait", "cough", "sneeze")
TRANSITIVE = {
    "find/discover": "discover",
    "repair/fix": "repair",
    "wear": "wear",
    "hire/employ": "employ",
}
"""Verbs that never take an object, and verbs that need one, by the synonym that always does."""


def ungrammatical(e: Event, dice: Dice) -> str | None:
    """Return the event in an ungrammatical sentence; None if the drawn error does not apply."""
    faults = (_agreement, _case, _order, _omission, _repetition, _frame, _auxiliary, _article)
    return dice.one_of(faults)(e, dice)


def _agreement(e: Event, dice: Dice) -> str | None:
    """Use the verb form of the other number."""
    base = dice.word(e.verb)
    if not e.present or e.agent.head == "sheep" or past(base) == base:
        return None
    correct = replace(e, verb=base).say(dice, plain=True)
    forms = ("do", "does") if e.negated else (base, third(base))
    return _replace_word(correct, *(forms if e.agent.plural else forms[::-1]))


def _case(e: Event, dice: Dice) -> str | None:
    """Use a pronoun in the wrong case."""
    pronoun = dice.one_of(list(PRONOUNS))
    if is_person(e.agent) and dice.chance(0.5):
        words = replace(e, agent=Noun(pronoun)).say(dice, plain=True).split()
        return " ".join([PRONOUNS[pronoun], *words[1:]])
    if e.patient and is_person(e.patient) and not e.recipient:
        text = replace(e, patient=Noun(pronoun)).say(dice, plain=True)
        return _replace_word(text, PRONOUNS[pronoun], pronoun)
    return None


def _order(e: Event, dice: Dice) -> str | None:
    """Exchange a determiner or preposition and the word after it."""
    words = e.say(dice).split()
    places = [i for i, word in enumerate(words[:-1]) if word in LINKS and words[i + 1][-1] != ","]
    if not places:
        return None
    i = dice.one_of(places)
    words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def _omission(e: Event, dice: Dice) -> str | None:
    """Leave out a word that the sentence needs."""
    required_words = set(AUXILIARIES)
    if e.patient:  # "jumped the bench" and "wandered the hall" are correct
        required_words |= {"at", "near", "behind"}
        if e.verb not in ("call/phone", "teach/instruct"):  # "was called the professor"
            required_words.add("by")
        kind = KIND.get(e.patient.head, "")
        # so are "cooked cabbage", "played guitar" and "fed sheep"
        if (
            kind not in ("fruit", "vegetable", "instrument", "vehicle")
            and e.patient.head != "sheep"
        ):
            required_words |= {"a", "an"}
    return _without_one_of(required_words, e.say(dice).split(), dice)


def _without_one_of(required_words: set[str], words: list[str], dice: Dice) -> str | None:
    places = [i for i, word in enumerate(words) if word in required_words]
    if not places:
        return None
    i = dice.one_of(places)
    return " ".join(words[:i] + words[i + 1 :])


def _repetition(e: Event, dice: Dice) -> str | None:
    """Repeat a function word."""
    words = e.say(dice).split()
    places = [i for i, word in enumerate(words) if word in LINKS | AUXILIARIES | {"to"}]
    if not places or dice.chance(0.6):  # it always applies, and is easy to detect
        return None
    i = dice.one_of(places)
    return " ".join([*words[:i], words[i], *words[i:]])


def _frame(e: Event, dice: Dice) -> str | None:
    """Add an object to an intransitive verb, or leave out a required one."""
    if e.verb in INTRANSITIVE:
        kind = dice.one_of(["fruit", "tool", "garment", "toy"])
        return replace(e, patient=world.something(kind, dice)).say(dice, plain=True)
    if e.verb in TRANSITIVE:
        return replace(e, verb=TRANSITIVE[e.verb], patient=None).say(dice, plain=True)
    return None


def _auxiliary(e: Event, dice: Dice) -> str | None:
    """Use a wrong verb form after an auxiliary."""
    base = dice.word(e.verb)
    if base in ("find", "pet"):  # "did not found", "was pet"
        return None
    e = replace(e, manner="", verb=base, present=False, time="" if e.present else e.time)
    if dice.chance(0.5):
        text = replace(e, negated=True).say(dice, plain=True)
        return _replace_word(text, f"not {base}", f"not {past(base)}")
    if e.patient is None:
        return None
    return _replace_word(replace(e, negated=False).passive(dice), participle(base), base)


def _article(e: Event, dice: Dice) -> str | None:
    """Use "a" for "an", or "an" for "a"."""
    words = e.say(dice).split()
    places = [i for i, word in enumerate(words) if word in ("a", "an")]
    if not places:
        return None
    i = dice.one_of(places)
    words[i] = {"a": "an", "an": "a"}[words[i]]
    return " ".join(words)


def _replace_word(text: str, old: str, new: str) -> str | None:
    result = f" {text} ".replace(f" {old} ", f" {new} ", 1).strip()
    return None if result == text else result
