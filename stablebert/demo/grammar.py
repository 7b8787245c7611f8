"""Meanings and the sentences that express them: one meaning has many wordings."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from stablebert.demo.lexicon import FORMS, KIND, NUMBERS, PEOPLE, PLURALS

T = TypeVar("T")

PRONOUNS = {"he": "him", "she": "her", "they": "them"}
PLURAL_DETERMINERS = (*NUMBERS, "some")


class Dice(random.Random):
    """Random choices that depend on the seed alone.

    Everything uses `random()`, which draws the same numbers in every version of Python.
    """

    def one_of(self, items: Sequence[T]) -> T:
        """Return one of the items, each equally likely."""
        return items[int(self.random() * len(items))]

    def chance(self, p: float) -> bool:
        """Return True with probability p."""
        return self.random() < p

    def some(self, items: Sequence[T], n: int) -> list[T]:
        """Return `n` different items in random order."""
        remaining = list(items)
        return [remaining.pop(int(self.random() * len(remaining))) for _ in range(n)]

    def word(self, concept: str) -> str:
        """Return a phrase with one word for each concept: `in the garden/yard` gives either."""
        return " ".join(self.one_of(part.split("/")) for part in concept.split())


@dataclass(frozen=True)
class Noun:
    """A participant of an event.

    Attributes:
        head: A concept, a name, or a pronoun in the nominative.
        det: `the`, `a`, a number or `some`; empty for names and pronouns.
        many: True for a plural after `the`.
        adj: Concept of an adjective.
    """

    head: str
    det: str = ""
    many: bool = False
    adj: str = ""

    @property
    def plural(self) -> bool:
        """True if the verb that follows is in the plural."""
        return self.many or self.det in PLURAL_DETERMINERS or self.head == "they"

    def say(self, dice: Dice, *, subject: bool) -> str:
        """Return the noun phrase in words."""
        if not self.det:
            return self.head if subject else PRONOUNS.get(self.head, self.head)
        head = dice.word(self.head)
        words = [dice.word(self.adj)] if self.adj else []
        words.append(plural(head) if self.plural else head)
        det = "an" if self.det == "a" and words[0][0] in "aeiou" else self.det
        return " ".join([det, *words])


@dataclass(frozen=True)
class Event:
    """An action with its participants.

    Attributes:
        verb: Concept of the verb.
        agent: Participant that acts.
        patient: Participant that is acted on.
        recipient: Participant that something is given to.
        place: Phrase with its preposition.
        time: Phrase; that of a habit if the tense is the present.
        manner: Adverb.
        negated: True if the sentence denies the action.
        present: True for a habit, in the present tense; False for the past.
    """

    verb: str
    agent: Noun
    patient: Noun | None = None
    recipient: Noun | None = None
    place: str = ""
    time: str = ""
    manner: str = ""
    negated: bool = False
    present: bool = False

    @property
    def heads(self) -> set[str]:
        """Heads of all participants."""
        return {n.head for n in (self.agent, self.patient, self.recipient) if n}

    def with_part(self, slot: str, value: Noun | str | None) -> "Event":
        """Return the event with another value of one attribute."""
        part: dict[str, Any] = {slot: value}
        return replace(self, **part)

    def say(
        self,
        dice: Dice,
        *,
        passive: bool | None = None,
        plain: bool = False,
        fronted: bool = True,
    ) -> str:
        """Return the event in words, without capital letter and period.

        Args:
            dice: Chooses the words and everything else that is not specified.
            passive: Use the passive voice, if there is one; None: let the dice choose.
            plain: Use the active voice and the basic word order.
            fronted: Allow place or time at the beginning.
        """
        if self.has_passive and not plain and (dice.chance(0.35) if passive is None else passive):
            return self.passive(dice, fronted=fronted)
        words = [self.agent.say(dice, subject=True), *self._verb(dice)]
        core = " ".join([*words, *self._objects(dice, plain=plain)])
        return self._with_ends(core, dice, fronted=fronted and not plain)

    @property
    def has_passive(self) -> bool:
        """True if the passive means the same; "a cup was not washed" is about one cup only."""
        patient = self.patient
        return patient is not None and (not self.negated or patient.det in ("", "the"))

    def passive(self, dice: Dice, *, fronted: bool = True) -> str:
        """Return the event in the passive voice.

        Raises:
            ValueError: If there is no patient.
        """
        patient = self.patient
        if patient is None:
            raise ValueError(f"{self.verb}: no patient, so no passive voice")
        words = [patient.say(dice, subject=True), be_form(patient.plural, self.present)]
        words += ["not"] if self.negated else []
        words += [dice.word(self.manner)] if self.manner else []
        words.append(participle(dice.word(self.verb)))
        if self.recipient:
            words += ["to", self.recipient.say(dice, subject=False)]
        core = " ".join([*words, "by", self.agent.say(dice, subject=False)])
        return self._with_ends(core, dice, fronted=fronted)

    def ask(self, slot: str, dice: Dice, *, passive: bool | None = None) -> str:
        """Return a question about one part, without capital letter and question mark.

        Args:
            slot: `agent`, `patient`, `recipient`, `place` or `time`; `whether` for yes or no.
            dice: Chooses the words and everything else that is not specified.
            passive: Use the passive voice, if there is one; None: let the dice choose.
        """
        empty = None if slot in ("patient", "recipient") else ""
        rest = self if slot in ("whether", "agent") else self.with_part(slot, empty)
        ends = [dice.word(part) for part in (rest.place, rest.time) if part]
        manner = [dice.word(self.manner)] if self.manner else []
        noun = self.patient if slot == "patient" else self.agent
        who = "who" if slot == "recipient" or is_person(noun) else "what"
        if slot == "agent":
            verb = past(dice.word(self.verb))
            return " ".join([who, *manner, verb, *self._objects(dice), *ends])
        lead = {"place": ["where"], "time": ["when"], "whether": []}.get(slot, [who])
        in_passive = dice.chance(0.4) if passive is None else passive
        if in_passive and self.patient is not None and not self.recipient:
            subject = [] if slot == "patient" else [self.patient.say(dice, subject=True)]
            be = be_form(slot != "patient" and self.patient.plural, False)
            agent = self.agent.say(dice, subject=False)
            verb = participle(dice.word(self.verb))
            return " ".join([*lead, be, *subject, *manner, verb, "by", agent, *ends])
        subject = [self.agent.say(dice, subject=True)]
        objects = rest._objects(dice, plain=slot == "patient")
        objects += ["to"] if slot == "recipient" else []
        return " ".join([*lead, "did", *subject, *manner, dice.word(self.verb), *objects, *ends])

    def _with_ends(self, core: str, dice: Dice, *, fronted: bool) -> str:
        """Return the sentence with place and time, one of which may come first."""
        ends = [dice.word(part) for part in (self.place, self.time) if part]
        if ends and fronted and dice.chance(0.3):
            first = ends.pop(int(dice.random() * len(ends)))
            return f"{first}, {' '.join([core, *ends])}"
        return " ".join([core, *ends])

    def _objects(self, dice: Dice, *, plain: bool = False) -> list[str]:
        objects = [self.patient.say(dice, subject=False)] if self.patient else []
        if self.recipient:
            to = self.recipient.say(dice, subject=False)
            objects = [*objects, "to", to] if plain or dice.chance(0.5) else [to, *objects]
        return objects

    def _verb(self, dice: Dice) -> list[str]:
        base, many = dice.word(self.verb), self.agent.plural
        manner = [dice.word(self.manner)] if self.manner else []
        if self.negated:
            return [(("do" if many else "does") if self.present else "did"), "not", *manner, base]
        if self.present:
            return [*manner, base if many else third(base)]
        return [*manner, past(base)]


@dataclass(frozen=True)
class ReportedEvent:
    """An event that somebody knows or talks about: `Leo knew that Ben sang`."""

    verb: str
    speaker: Noun
    event: Event

    def say(self, dice: Dice, *, passive: bool | None = None) -> str:
        """Return the report in words; `passive` applies to the event."""
        event = self.event.say(dice, passive=passive, fronted=False)
        return f"{self.speaker.say(dice, subject=True)} {past(dice.word(self.verb))} that {event}"


@dataclass(frozen=True)
class Sequel:
    """Two events, one after the other."""

    first: Event
    second: Event

    def say(self, dice: Dice, *, passive: bool | None = None) -> str:
        """Return both events in words, in one of four orders; there is no passive."""
        first, second = (event.say(dice, plain=True) for event in (self.first, self.second))
        forms = (
            f"{first} before {second}",
            f"{second} after {first}",
            f"before {second}, {first}",
            f"after {first}, {second}",
        )
        return dice.one_of(forms)


Meaning = Event | ReportedEvent | Sequel


def is_person(noun: Noun | None) -> bool:
    """Return whether a question about the noun begins with `who`."""
    if noun is None:
        return False
    return not noun.det or KIND.get(noun.head, noun.head) in PEOPLE


def sentence(words: str, end: str = ".") -> str:
    """Return the words with a capital letter and a final mark."""
    return words[0].upper() + words[1:] + end


def plural(noun: str) -> str:
    """Return the plural of a noun."""
    return PLURALS.get(noun) or third(noun)


def third(base: str) -> str:
    """Return the third person singular of a verb, which is spelled as a noun's plural is."""
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "sh", "ch", "x", "z")) else "s")


def past(base: str) -> str:
    """Return the past tense of a verb."""
    return FORMS[base][0] if base in FORMS else _ed(base)


def participle(base: str) -> str:
    """Return the past participle of a verb."""
    return FORMS[base][1] if base in FORMS else _ed(base)


def _ed(base: str) -> str:
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + ("d" if base.endswith("e") else "ed")


def be_form(many: bool, present: bool) -> str:
    """Return the form of `be` in the third person."""
    if present:
        return "are" if many else "is"
    return "were" if many else "was"
