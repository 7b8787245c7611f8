"""The demo's world: random events, changes of events, and entailment between events."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from stablebert.demo.grammar import Dice, Event, Noun, is_person
from stablebert.demo.lexicon import (
    ABOVE,
    ADJECTIVES,
    ANIMALS,
    CLASSES,
    HABITS,
    KIND,
    MANNERS,
    MEN,
    NUMBERS,
    PEOPLE,
    PLACES,
    TIMES,
    UNMANNERED,
    VERBS,
    WOMEN,
    Verb,
)

NAMES = (*WOMEN, *MEN)
FOOD = ("fruit", "vegetable")


def adjective(kind: str, dice: Dice) -> str:
    """Return an adjective that suits a class."""
    group = ABOVE.get(kind) or ("food" if kind in FOOD else kind)
    return dice.one_of(ADJECTIVES.get(group, ADJECTIVES["thing"]))


def someone(dice: Dice) -> Noun:
    """Return a random person."""
    if dice.chance(0.5):
        return Noun(dice.one_of(NAMES))
    kind = dice.one_of(PEOPLE)
    return describe(Noun(dice.one_of(CLASSES[kind]), "the", many=dice.chance(0.15)), dice, 0.25)


def something(kind: str, dice: Dice) -> Noun:
    """Return a random animal or object of a class."""
    head = dice.one_of(CLASSES[kind])
    det = "the" if dice.chance(0.4) else "a" if dice.chance(0.5) else dice.one_of(NUMBERS)
    return describe(Noun(head, det), dice, 0.4)


def describe(noun: Noun, dice: Dice, p: float) -> Noun:
    """Return the noun, with an adjective at probability p."""
    return replace(noun, adj=adjective(KIND[noun.head], dice)) if dice.chance(p) else noun


def participant(kinds: Sequence[str], dice: Dice) -> Noun:
    """Return a random participant of one of the classes."""
    kind = dice.one_of(kinds)
    return someone(dice) if kind in PEOPLE else something(kind, dice)


def event(dice: Dice, *, verbs: Sequence[Verb] = VERBS, present: float = 0.0) -> Event:
    """Return a random event with one of the verbs; a habit with probability `present`."""
    verb = dice.one_of(verbs)
    if verb.agent == "person":
        agent = someone(dice)
    else:
        agent = describe(Noun(dice.one_of(CLASSES[dice.one_of(ANIMALS)]), "the"), dice, 0.3)
    e = Event(verb.concept, agent, present=dice.chance(present))
    if verb.patient:
        e = replace(e, patient=new_participant(e, verb.patient, dice))
    if verb.gives:
        e = replace(e, recipient=new_participant(e, PEOPLE, dice))
    where, when = dice.chance(0.6), dice.chance(0.4)
    return replace(
        e,
        place=dice.one_of(PLACES) if where else "",
        time=dice.one_of(HABITS if e.present else TIMES) if when else "",
        manner=dice.one_of(MANNERS) if e.verb not in UNMANNERED and dice.chance(0.2) else "",
    )


def new_participant(e: Event, kinds: Sequence[str], dice: Dice) -> Noun:
    """Return a random participant that is not in the event yet."""
    while True:
        noun = participant(kinds, dice)
        if noun.head not in e.heads:
            return noun


def verbs_like(e: Event) -> list[str]:
    """Return other verbs that take the same participants."""
    kind = None
    if e.patient is not None:  # a name stands for a person of any class
        kind = e.patient.head if e.patient.head in CLASSES else KIND.get(e.patient.head, PEOPLE[0])
    return [
        v.concept
        for v in VERBS
        if v.concept != e.verb
        and (v.agent == "person") == is_person(e.agent)
        and v.gives == bool(e.recipient)
        and (kind in v.patient if kind else not v.patient)
    ]


# ---------------------------------------------------------------- changes of meaning

Change = Callable[[Event, Dice], Event | None]
"""A changed event, or None if this change does not apply."""


def swap(e: Event, dice: Dice) -> Event | None:
    """Exchange two participants."""
    if e.recipient:
        return replace(e, agent=e.recipient, recipient=e.agent)
    if e.patient and is_person(e.patient) == is_person(e.agent) and e.patient.det in ("", "the"):
        return replace(e, agent=e.patient, patient=e.agent)
    return None


def other_agent(e: Event, dice: Dice) -> Event | None:
    """Replace the agent."""
    return _other_noun(e, "agent", dice)


def other_patient(e: Event, dice: Dice) -> Event | None:
    """Replace the patient with another one of the same class."""
    return _other_noun(e, "patient", dice)


def _other_noun(e: Event, slot: str, dice: Dice) -> Event | None:
    noun = getattr(e, slot)
    if noun is None or (noun.det and noun.head not in KIND):
        return None
    heads = CLASSES[KIND[noun.head]] if noun.det else NAMES
    head = dice.one_of([head for head in heads if head not in e.heads])
    return e.with_part(slot, replace(noun, head=head))


def other_number(e: Event, dice: Dice) -> Event | None:
    """Replace the number of patients."""
    if e.patient is None or e.patient.det not in NUMBERS:
        return None
    others = [number for number in NUMBERS if number != e.patient.det]
    return replace(e, patient=replace(e.patient, det=dice.one_of(others)))


def other_verb(e: Event, dice: Dice) -> Event | None:
    """Replace the verb."""
    verbs = verbs_like(e)
    return replace(e, verb=dice.one_of(verbs)) if verbs else None


def other_place(e: Event, dice: Dice) -> Event | None:
    """Replace the place."""
    return replace(e, place=_another(e.place, PLACES, dice)) if e.place else None


def other_time(e: Event, dice: Dice) -> Event | None:
    """Replace the time."""
    times = HABITS if e.present else TIMES
    return replace(e, time=_another(e.time, times, dice)) if e.time else None


def negate(e: Event, dice: Dice) -> Event:
    """Negate the event, or remove the negation."""
    return replace(e, negated=not e.negated, manner="")


def _another(current: str, phrases: Sequence[str], dice: Dice) -> str:
    return dice.one_of([phrase for phrase in phrases if phrase != current])


# ---------------------------------------------------------------- entailment


def _open(e: Event) -> list[str]:
    """Return the participants whose description can become more or less specific.

    "Did not wash the cup" does not deny the cup's description, so only "a cup" is open there.
    """
    slots = [s for s in ("agent", "patient", "recipient") if getattr(e, s)]
    return [s for s in slots if not e.negated or getattr(e, s).det == "a"]


def drop(e: Event, dice: Dice) -> Event | None:
    """Say less: leave out a place, a time, a manner or an adjective."""
    details = [slot for slot in ("place", "time", "manner") if getattr(e, slot)]
    nouns = [s for s in _open(e) if getattr(e, s).adj]
    if not details and not nouns:
        return None
    slot = dice.one_of([*details, *nouns])
    return e.with_part(slot, "" if slot in details else replace(getattr(e, slot), adj=""))


def lift(e: Event, dice: Dice) -> Event | None:
    """Say less: use the word for the whole class (`fruit` for `apple`)."""
    slots = [s for s in _open(e) if s != "recipient" and getattr(e, s).head in KIND]
    if not slots:
        return None
    slot = dice.one_of(slots)
    noun = getattr(e, slot)
    return e.with_part(slot, replace(noun, head=KIND[noun.head], adj=""))


def fewer(e: Event, dice: Dice) -> Event | None:
    """Say less: use `some` for a number."""
    if e.patient is None or e.patient.det not in NUMBERS:
        return None
    return replace(e, patient=replace(e.patient, det="some"))


def add(e: Event, dice: Dice) -> Event | None:
    """Say more: add a place, a time or an adjective."""
    free = [slot for slot in ("place", "time") if not getattr(e, slot)]
    nouns = [s for s in _open(e) if getattr(e, s).head in KIND and not getattr(e, s).adj]
    if not free and not nouns:
        return None
    slot = dice.one_of([*free, *nouns])
    if slot == "place":
        return replace(e, place=dice.one_of(PLACES))
    if slot == "time":
        return replace(e, time=dice.one_of(HABITS if e.present else TIMES))
    return e.with_part(slot, describe(getattr(e, slot), dice, 1.0))


def entails(a: Event, b: Event) -> bool:
    """Return whether the first event entails the second."""
    return a.negated == b.negated and (_says_more(b, a) if a.negated else _says_more(a, b))


def _says_more(a: Event, b: Event) -> bool:
    """Return whether the first event is at least as specific as the second, ignoring negation."""
    parts = [(getattr(a, s), getattr(b, s)) for s in ("agent", "patient", "recipient")]
    return a.verb == b.verb and all(
        [
            *(getattr(b, s) in ("", getattr(a, s)) for s in ("place", "time", "manner")),
            *(x == y or (x is not None and y is not None and _is_a(x, y)) for x, y in parts),
        ]
    )


def _is_a(x: Noun, y: Noun) -> bool:
    """Return whether everything that is the first noun is also the second: `big dog` and `dog`."""
    return (
        y.head in (x.head, KIND.get(x.head))
        and y.adj in ("", x.adj)
        and (y.det, y.many) in ((x.det, x.many), ("some", False))
    )


def differs(a: Event, b: Event) -> bool:
    """Return whether a place, time, manner or adjective of the second contradicts the first's."""
    details = [(getattr(a, s), getattr(b, s)) for s in ("place", "time", "manner")]
    nouns = [(getattr(a, s), getattr(b, s)) for s in ("agent", "patient", "recipient")]
    details += [(x.adj, y.adj) for x, y in nouns if x and y]
    return any(x and y and x != y for x, y in details)


SAY_LESS: tuple[Change, ...] = (drop, lift, fewer)


def apply_one(e: Event, changes: Sequence[Change], dice: Dice) -> Event | None:
    """Return the event after one of the changes that apply; None if none does."""
    for change in dice.some(changes, len(changes)):
        if (new := change(e, dice)) is not None:
            return new
    return None
