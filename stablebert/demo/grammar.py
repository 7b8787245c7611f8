"""From a meaning to sentences that say it: one meaning, many wordings."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from stablebert.demo.lexicon import FORMS, KIND, NUMBERS, PEOPLE, PLURALS

T = TypeVar("T")

PRONOUNS = {"he": "him", "she": "her", "they": "them"}
MANY = (*NUMBERS, "some")


class Dice(random.Random):
    """Draws that depend on the seed alone: `random()` is the same in every version of Python."""

    def one_of(self, items: Sequence[T]) -> T:
        """Any of them, equally likely."""
        return items[int(self.random() * len(items))]

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self.random() < p

    def some(self, items: Sequence[T], n: int) -> list[T]:
        """`n` different ones, in an order that is drawn too."""
        left = list(items)
        return [left.pop(int(self.random() * len(left))) for _ in range(n)]

    def word(self, concept: str) -> str:
        """One of the words of each concept in a phrase: `in the garden/yard`."""
        return " ".join(self.one_of(part.split("/")) for part in concept.split())


@dataclass(frozen=True)
class Noun:
    """Who or what.

    Attributes:
        head: a concept; a name; or a pronoun in the nominative.
        det: `the`, `a`, a number or `some`; empty for names and pronouns.
        many: plural of `the`.
        adj: concept of an adjective.
    """

    head: str
    det: str = ""
    many: bool = False
    adj: str = ""

    @property
    def plural(self) -> bool:
        """Whether its verb is in the plural."""
        return self.many or self.det in MANY or self.head == "they"

    def say(self, dice: Dice, *, subject: bool) -> str:
        """In words."""
        if not self.det:
            return self.head if subject else PRONOUNS.get(self.head, self.head)
        head = dice.word(self.head)
        words = [dice.word(self.adj)] if self.adj else []
        words.append(plural(head) if self.plural else head)
        det = "an" if self.det == "a" and words[0][0] in "aeiou" else self.det
        return " ".join([det, *words])


@dataclass(frozen=True)
class Event:
    """Somebody does something.

    Attributes:
        verb: concept.
        agent: who does it.
        patient: whom or what it is done to.
        recipient: to whom something is given.
        place: phrase with its preposition.
        time: phrase; of a habit where the tense is the present.
        manner: adverb.
        negated: it is said not to be so.
        present: a habit; otherwise past.
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
        """Everybody and everything that has a part in it."""
        return {n.head for n in (self.agent, self.patient, self.recipient) if n}

    def say(
        self,
        dice: Dice,
        *,
        passive: bool | None = None,
        plain: bool = False,
        fronted: bool = True,
    ) -> str:
        """In words, without capital and full stop.

        Args:
            dice: chooses the words, and what else is left open.
            passive: in the passive voice, where there is one; None leaves it open.
            plain: in the active voice and in basic order.
            fronted: place or time may come first.
        """
        if self.has_passive and not plain and (dice.chance(0.35) if passive is None else passive):
            return self.passive(dice, fronted=fronted)
        words = [self.agent.say(dice, subject=True), *self._verb(dice)]
        core = " ".join([*words, *self._objects(dice, plain=plain)])
        return self._with_ends(core, dice, fronted=fronted and not plain)

    @property
    def has_passive(self) -> bool:
        """Whether the passive says the same: "a cup was not washed" says it of one cup only."""
        patient = self.patient
        return patient is not None and (not self.negated or patient.det in ("", "the"))

    def passive(self, dice: Dice, *, fronted: bool = True) -> str:
        """In the passive voice.

        Raises:
            ValueError: There is no patient.
        """
        patient = self.patient
        if patient is None:
            raise ValueError(f"{self.verb}: nothing is done to anybody")
        words = [patient.say(dice, subject=True), be_form(patient.plural, self.present)]
        words += ["not"] if self.negated else []
        words += [dice.word(self.manner)] if self.manner else []
        words.append(participle(dice.word(self.verb)))
        if self.recipient:
            words += ["to", self.recipient.say(dice, subject=False)]
        core = " ".join([*words, "by", self.agent.say(dice, subject=False)])
        return self._with_ends(core, dice, fronted=fronted)

    def ask(self, slot: str, dice: Dice, *, passive: bool | None = None) -> str:
        """A question, without capital and question mark, for a part of it.

        Args:
            slot: `agent`, `patient`, `recipient`, `place` or `time`; `whether` for yes or no.
            dice: chooses the words, and what else is left open.
            passive: in the passive voice, where there is one; None leaves it open.
        """
        gone = None if slot in ("patient", "recipient") else ""
        asked = self if slot in ("whether", "agent") else replace(self, **{slot: gone})
        ends = [dice.word(part) for part in (asked.place, asked.time) if part]
        manner = [dice.word(self.manner)] if self.manner else []
        noun = self.patient if slot == "patient" else self.agent
        who = "who" if slot == "recipient" or is_person(noun) else "what"
        if slot == "agent":
            verb = past(dice.word(self.verb))
            return " ".join([who, *manner, verb, *self._objects(dice), *ends])
        lead = {"place": ["where"], "time": ["when"], "whether": []}.get(slot, [who])
        turned = dice.chance(0.4) if passive is None else passive
        if turned and self.patient is not None and not self.recipient:
            subject = [] if slot == "patient" else [self.patient.say(dice, subject=True)]
            be = be_form(slot != "patient" and self.patient.plural, False)
            agent = self.agent.say(dice, subject=False)
            done = participle(dice.word(self.verb))
            return " ".join([*lead, be, *subject, *manner, done, "by", agent, *ends])
        subject = [self.agent.say(dice, subject=True)]
        objects = asked._objects(dice, plain=slot == "patient")
        objects += ["to"] if slot == "recipient" else []
        return " ".join([*lead, "did", *subject, *manner, dice.word(self.verb), *objects, *ends])

    def _with_ends(self, core: str, dice: Dice, *, fronted: bool) -> str:
        """With place and time, one of which may come first."""
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
class Told:
    """Somebody knows or says that something is so."""

    verb: str
    speaker: Noun
    event: Event

    def say(self, dice: Dice, *, passive: bool | None = None) -> str:
        """In words; `passive` is of what is told."""
        told = self.event.say(dice, passive=passive, fronted=False)
        return f"{self.speaker.say(dice, subject=True)} {past(dice.word(self.verb))} that {told}"


@dataclass(frozen=True)
class Sequel:
    """One event after another."""

    first: Event
    second: Event

    def say(self, dice: Dice, *, passive: bool | None = None) -> str:
        """In words, in one of four orders; there is no passive."""
        first, second = (event.say(dice, plain=True) for event in (self.first, self.second))
        forms = (
            f"{first} before {second}",
            f"{second} after {first}",
            f"before {second}, {first}",
            f"after {first}, {second}",
        )
        return dice.one_of(forms)


Meaning = Event | Told | Sequel


def is_person(noun: Noun | None) -> bool:
    """Whether one asks for it with `who`."""
    if noun is None:
        return False
    return not noun.det or KIND.get(noun.head, noun.head) in PEOPLE


def sentence(words: str, end: str = ".") -> str:
    """With its capital and its end."""
    return words[0].upper() + words[1:] + end


def plural(noun: str) -> str:
    """Of a noun."""
    return PLURALS.get(noun) or third(noun)


def third(base: str) -> str:
    """Third person singular of a verb, which is spelt as a noun's plural is."""
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "sh", "ch", "x", "z")) else "s")


def past(base: str) -> str:
    """Past tense of a verb."""
    return FORMS[base][0] if base in FORMS else _ed(base)


def participle(base: str) -> str:
    """Past participle of a verb."""
    return FORMS[base][1] if base in FORMS else _ed(base)


def _ed(base: str) -> str:
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + ("d" if base.endswith("e") else "ed")


def be_form(many: bool, present: bool) -> str:
    """Of `be`, third person."""
    if present:
        return "are" if many else "is"
    return "were" if many else "was"
