"""The demo's tasks on similar meanings: MRPC, QQP and STS-B."""

from collections.abc import Sequence
from dataclasses import replace

from stablebert.demo import world
from stablebert.demo.grammar import Dice, Event, Meaning, Noun, Sequel, sentence
from stablebert.demo.lexicon import KIND, VERBS
from stablebert.demo.pairs import Row, Wording, sentence_pair, word_pair

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

SHORT_VERBS = tuple(verb for verb in VERBS if not verb.patient and verb.agent == "person")


def near_miss(e: Event, dice: Dice, changes: Sequence[world.Change] = NEAR_MISSES) -> Event | None:
    """Return a similar event; mostly one with two participants exchanged, in the same words."""
    exchange = world.swap(e, dice) if dice.chance(0.7) else None
    return exchange or world.apply_one(e, changes, dice)


def event_between_people(dice: Dice) -> Event:
    """Return a random event; most often one in which two participants can be exchanged."""
    while True:
        e = world.event(dice)
        if world.swap(e, dice) or dice.chance(0.3):
            return e


def mrpc(label: int, dice: Dice) -> Row | None:
    """Return two sentences with the same meaning (1), or with similar meanings (0)."""
    first = sequel(dice) if dice.chance(0.2) else world.event(dice)
    second: Meaning | None = first
    if not label:
        if isinstance(first, Sequel):
            second = Sequel(first.second, first.first)
        else:
            second = world.apply_one(first, NEAR_MISSES, dice)
    return sentence_pair(first, second, label, dice)


def sequel(dice: Dice) -> Sequel:
    """Return two short random events with different agents."""

    def short() -> Event:
        e = world.event(dice, verbs=SHORT_VERBS)
        return replace(e, time="", manner="")

    first, second = short(), short()
    return Sequel(first, second) if first.agent.head != second.agent.head else sequel(dice)


def question_slots(e: Event) -> list[str]:
    """Return the parts of an event that a question can ask for."""
    return ["agent", *(s for s in ("patient", "recipient", "place", "time") if getattr(e, s))]


def without_part(e: Event, slot: str) -> Event:
    """Return the event without one part."""
    empty = Noun("") if slot in ("agent", "patient", "recipient") else ""
    return e if slot == "whether" else e.with_part(slot, empty)


def qqp(label: int, dice: Dice) -> Row | None:
    """Return two questions with the same meaning (1), or with similar meanings (0)."""
    e = world.event(dice)
    slot = dice.one_of([*question_slots(e), "whether"])
    other = e if label else world.apply_one(e, NEAR_MISSES, dice)
    # a difference in the part that is asked for does not change the question
    if other is None or (not label and without_part(other, slot) == without_part(e, slot)):
        return None

    def wording(event: Event) -> Wording:
        return lambda passive: sentence(event.ask(slot, dice, passive=passive), "?")

    texts = word_pair(wording(e), None if label else wording(other), dice)
    return texts and (texts, label)


def stsb(label: float, dice: Dice) -> Row | None:
    """Return two sentences graded by their similarity; None unless the grade is near `label`."""
    first = event_between_people(dice)
    second: Event | None = first
    if label < 0.5:
        second = event_between_people(dice)
    else:
        for _ in range(round(dice.random() * 3)):
            second = second and near_miss(second, dice, (*NEAR_MISSES, *world.SAY_LESS))
    if second is None:
        return None
    grade = similarity(first, second)
    return sentence_pair(first, second, grade, dice) if abs(grade - label) < 0.5 else None


def similarity(a: Event, b: Event) -> float:
    """Return the similarity of two events, from 0 to 5 in steps of 0.2, as in STS-B."""
    parts: list[tuple[float, float]] = [(1.5, a.verb == b.verb)]  # weight, share
    for slot, weight in (("agent", 1.5), ("patient", 1.5), ("recipient", 1.0)):
        x, y = getattr(a, slot), getattr(b, slot)
        if x or y:
            parts.append((weight, _noun_similarity(x, y)))
    for slot, weight in (("place", 0.7), ("time", 0.7), ("manner", 0.5)):
        x, y = getattr(a, slot), getattr(b, slot)
        if x or y:
            parts.append((weight, 1.0 if x == y else 0.5 if not (x and y) else 0.0))
    grade = 5 * sum(w * share for w, share in parts) / sum(w for w, _ in parts)
    return round(grade * 5) / 5


def _noun_similarity(x: Noun | None, y: Noun | None) -> float:
    if x is None or y is None:
        return 0.0
    if x.head != y.head:
        return 0.6 if KIND.get(x.head) == y.head else 0.0
    return 1.0 - 0.15 * (x.adj != y.adj) - 0.5 * (x.det != y.det)
