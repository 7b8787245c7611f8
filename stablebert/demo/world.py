"""What happens in the demo's world: events drawn at random, and events that differ from them."""

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
    """A concept that suits a class."""
    sort = ABOVE.get(kind) or ("food" if kind in FOOD else kind)
    return dice.one_of(ADJECTIVES.get(sort, ADJECTIVES["thing"]))


def someone(dice: Dice) -> Noun:
    """A person."""
    if dice.chance(0.5):
        return Noun(dice.one_of(NAMES))
    kind = dice.one_of(PEOPLE)
    return described(Noun(dice.one_of(CLASSES[kind]), "the", many=dice.chance(0.15)), dice, 0.25)


def something(kind: str, dice: Dice) -> Noun:
    """An animal or a thing of a class."""
    head = dice.one_of(CLASSES[kind])
    det = "the" if dice.chance(0.4) else "a" if dice.chance(0.5) else dice.one_of(NUMBERS)
    return described(Noun(head, det), dice, 0.4)


def described(noun: Noun, dice: Dice, p: float) -> Noun:
    """With an adjective, at probability p."""
    return replace(noun, adj=adjective(KIND[noun.head], dice)) if dice.chance(p) else noun


def participant(kinds: Sequence[str], dice: Dice) -> Noun:
    """Of one of these classes."""
    kind = dice.one_of(kinds)
    return someone(dice) if kind in PEOPLE else something(kind, dice)


def event(
    dice: Dice, *, fits: Callable[[Verb], bool] = lambda verb: True, present: float = 0.0
) -> Event:
    """Any event whose verb fits."""
    verb = dice.one_of([v for v in VERBS if fits(v)])
    if verb.agent == "person":
        agent = someone(dice)
    else:
        agent = described(Noun(dice.one_of(CLASSES[dice.one_of(ANIMALS)]), "the"), dice, 0.3)
    drawn = Event(verb.concept, agent, present=dice.chance(present))
    if verb.patient:
        drawn = replace(drawn, patient=other(drawn, verb.patient, dice))
    if verb.gives:
        drawn = replace(drawn, recipient=other(drawn, PEOPLE, dice))
    where, when = dice.chance(0.6), dice.chance(0.4)
    return replace(
        drawn,
        place=dice.one_of(PLACES) if where else "",
        time=dice.one_of(HABITS if drawn.present else TIMES) if when else "",
        manner=dice.one_of(MANNERS) if drawn.verb not in UNMANNERED and dice.chance(0.2) else "",
    )


def other(e: Event, kinds: Sequence[str], dice: Dice) -> Noun:
    """Somebody or something that has no part in an event yet."""
    while True:
        noun = participant(kinds, dice)
        if noun.head not in e.heads:
            return noun


def verbs_like(e: Event) -> list[str]:
    """Other verbs for the same participants."""
    kind = None
    if e.patient is not None:  # a name is of a person, whatever class is asked for
        kind = e.patient.head if e.patient.head in CLASSES else KIND.get(e.patient.head, PEOPLE[0])
    return [
        v.concept
        for v in VERBS
        if v.concept != e.verb
        and (v.agent == "person") == is_person(e.agent)
        and v.gives == bool(e.recipient)
        and (kind in v.patient if kind else not v.patient)
    ]


# ---------------------------------------------------------------- what is not the same any more

Change = Callable[[Event, Dice], Event | None]


def swap(e: Event, dice: Dice) -> Event | None:
    """Two people change parts."""
    if e.recipient:
        return replace(e, agent=e.recipient, recipient=e.agent)
    if e.patient and is_person(e.patient) == is_person(e.agent) and e.patient.det in ("", "the"):
        return replace(e, agent=e.patient, patient=e.agent)
    return None


def other_agent(e: Event, dice: Dice) -> Event | None:
    """Somebody else does it."""
    return _other(e, "agent", dice)


def other_patient(e: Event, dice: Dice) -> Event | None:
    """It is done to somebody or something else, of the same kind."""
    return _other(e, "patient", dice)


def _other(e: Event, slot: str, dice: Dice) -> Event | None:
    noun = getattr(e, slot)
    if noun is None or (noun.det and noun.head not in KIND):
        return None
    of = CLASSES[KIND[noun.head]] if noun.det else NAMES
    head = dice.one_of([head for head in of if head not in e.heads])
    return replace(e, **{slot: replace(noun, head=head)})


def other_number(e: Event, dice: Dice) -> Event | None:
    """To more or fewer of them."""
    if e.patient is None or e.patient.det not in NUMBERS:
        return None
    left = [number for number in NUMBERS if number != e.patient.det]
    return replace(e, patient=replace(e.patient, det=dice.one_of(left)))


def other_verb(e: Event, dice: Dice) -> Event | None:
    """They do something else."""
    verbs = verbs_like(e)
    return replace(e, verb=dice.one_of(verbs)) if verbs else None


def other_place(e: Event, dice: Dice) -> Event | None:
    """Somewhere else."""
    return replace(e, place=_another(e.place, PLACES, dice)) if e.place else None


def other_time(e: Event, dice: Dice) -> Event | None:
    """At another time."""
    times = HABITS if e.present else TIMES
    return replace(e, time=_another(e.time, times, dice)) if e.time else None


def negate(e: Event, dice: Dice) -> Event:
    """It is not so."""
    return replace(e, negated=not e.negated, manner="")


def _another(now: str, of: Sequence[str], dice: Dice) -> str:
    return dice.one_of([phrase for phrase in of if phrase != now])


# ---------------------------------------------------------------- what follows, and from what


def _open(e: Event) -> list[str]:
    """Participants of which more or less can be said.

    What "did not wash the cup" says of the cup is not denied: there, only "a cup" is open.
    """
    slots = [s for s in ("agent", "patient", "recipient") if getattr(e, s)]
    return [s for s in slots if not e.negated or getattr(e, s).det == "a"]


def drop(e: Event, dice: Dice) -> Event | None:
    """Say less: leave out a place, a time, a manner or an adjective."""
    held = [slot for slot in ("place", "time", "manner") if getattr(e, slot)]
    nouns = [s for s in _open(e) if getattr(e, s).adj]
    if not held and not nouns:
        return None
    slot = dice.one_of([*held, *nouns])
    return replace(e, **{slot: "" if slot in held else replace(getattr(e, slot), adj="")})


def lift(e: Event, dice: Dice) -> Event | None:
    """Say less: a word for the whole class (`fruit` for `apple`)."""
    slots = [s for s in _open(e) if s != "recipient" and getattr(e, s).head in KIND]
    if not slots:
        return None
    slot = dice.one_of(slots)
    noun = getattr(e, slot)
    return replace(e, **{slot: replace(noun, head=KIND[noun.head], adj="")})


def fewer(e: Event, dice: Dice) -> Event | None:
    """Say less: `some` for a number."""
    if e.patient is None or e.patient.det not in NUMBERS:
        return None
    return replace(e, patient=replace(e.patient, det="some"))


def add(e: Event, dice: Dice) -> Event | None:
    """Say more: a place, a time or an adjective."""
    free = [slot for slot in ("place", "time") if not getattr(e, slot)]
    nouns = [s for s in _open(e) if getattr(e, s).head in KIND and not getattr(e, s).adj]
    if not free and not nouns:
        return None
    slot = dice.one_of([*free, *nouns])
    if slot == "place":
        return replace(e, place=dice.one_of(PLACES))
    if slot == "time":
        return replace(e, time=dice.one_of(HABITS if e.present else TIMES))
    return replace(e, **{slot: described(getattr(e, slot), dice, 1.0)})


def entails(a: Event, b: Event) -> bool:
    """Whether the second must be so if the first is."""
    return a.negated == b.negated and (_says_more(b, a) if a.negated else _says_more(a, b))


def _says_more(a: Event, b: Event) -> bool:
    """Whether the first leaves nothing open that the second says, neither being negated."""
    parts = [(getattr(a, s), getattr(b, s)) for s in ("agent", "patient", "recipient")]
    return a.verb == b.verb and all(
        [
            *(getattr(b, s) in ("", getattr(a, s)) for s in ("place", "time", "manner")),
            *(x == y or (x is not None and y is not None and _is_one(x, y)) for x, y in parts),
        ]
    )


def _is_one(x: Noun, y: Noun) -> bool:
    """Whether whoever is the first is the second too."""
    return (
        y.head in (x.head, KIND.get(x.head))
        and y.adj in ("", x.adj)
        and (y.det, y.many) in ((x.det, x.many), ("some", False))
    )


def differs(a: Event, b: Event) -> bool:
    """Whether the second says something else of a place, time, manner or noun, not only more."""
    said = [(getattr(a, s), getattr(b, s)) for s in ("place", "time", "manner")]
    nouns = [(getattr(a, s), getattr(b, s)) for s in ("agent", "patient", "recipient")]
    said += [(x.adj, y.adj) for x, y in nouns if x and y]
    return any(x and y and x != y for x, y in said)


SAY_LESS: tuple[Change, ...] = (drop, lift, fewer)


def changed(e: Event, changes: Sequence[Change], dice: Dice) -> Event | None:
    """An event after one of the changes, of those that can be made; None where none can."""
    for change in dice.some(changes, len(changes)):
        if (new := change(e, dice)) is not None:
            return new
    return None
