"""Eight GLUE-shaped tasks: what a row's label says follows from the meanings of its sentences."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from stablebert.glue.demo import world
from stablebert.glue.demo.grammar import (
    PRONOUNS,
    Dice,
    Event,
    Meaning,
    Noun,
    Sequel,
    Told,
    is_person,
    participle,
    past,
    sentence,
    third,
)
from stablebert.glue.demo.lexicon import FACTIVE, KIND, OPEN, PEOPLE
from stablebert.glue.demo.reviews import review

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


def fits(text: str) -> bool:
    """Whether a sentence has a length that the tasks allow."""
    return SHORTEST <= len(text.split()) <= LONGEST


# ---------------------------------------------------------------- one sentence


def cola(label: int, dice: Dice) -> Row | None:
    """Grammatical, or broken in one place."""
    e = with_pronouns(world.event(dice, present=0.5), dice)
    if e.manner and e.negated:
        return None
    text = e.say(dice) if label else broken(e, dice)
    return None if text is None else ((sentence(text),), label)


def with_pronouns(e: Event, dice: Dice) -> Event:
    """Now and then a pronoun for a person."""
    for slot in ("agent", "patient"):
        noun = getattr(e, slot)
        if is_person(noun) and dice.chance(0.3):
            taken = {n.head for n in (e.agent, e.patient, e.recipient) if n}
            pronoun = dice.one_of(list(PRONOUNS))
            if pronoun not in taken:
                e = replace(e, **{slot: Noun(pronoun)})
    return e


def broken(e: Event, dice: Dice) -> str | None:
    """A sentence with one fault, of the kinds that a grammar book warns of."""
    return dice.one_of(
        [_agreement, _case, _order, _missing, _doubled, _frame, _auxiliary, _article]
    )(e, dice)


def _agreement(e: Event, dice: Dice) -> str | None:
    if not e.present or e.negated or e.agent.head == "sheep":
        return None
    base = dice.word(e.verb)
    right = replace(e, verb=base).say(dice, plain=True)
    forms = (base, third(base)) if e.agent.plural else (third(base), base)
    return _replaced(right, *forms)


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
    places = [i for i, word in enumerate(words[:-1]) if word in _BEFORE and words[i + 1][-1] != ","]
    if not places:
        return None
    i = dice.one_of(places)
    words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def _missing(e: Event, dice: Dice) -> str | None:
    kind = KIND.get(e.patient.head, "") if e.patient else ""
    # "cooked cabbage" and "played guitar" are no faults
    articles = {"a", "an"} if kind not in ("fruit", "vegetable", "instrument") else set()
    words = e.say(dice).split()
    places = [i for i, word in enumerate(words) if word in _NEEDED | articles]
    if not places:
        return None
    i = dice.one_of(places)
    return " ".join(words[:i] + words[i + 1 :])


def _doubled(e: Event, dice: Dice) -> str | None:
    words = e.say(dice).split()
    places = [i for i, word in enumerate(words) if word in _BEFORE | _NEEDED | {"did", "to"}]
    if not places:
        return None
    i = dice.one_of(places)
    return " ".join([*words[:i], words[i], *words[i:]])


_BEFORE = {"the", "a", "an", "in", "at", "on", "near", "behind", "by", "every"}
_NEEDED = {"was", "were", "is", "are", "by", "at", "near", "behind"}
_NO_OBJECT = ("sleep", "laugh", "smile", "wait", "cough", "sneeze", "wander")
_OBJECT = (
    *("buy/purchase", "find/discover", "repair/fix", "wear", "hire/employ", "admire"),
    *("inspect/examine", "frighten/scare", "invite"),
)


def _frame(e: Event, dice: Dice) -> str | None:
    if e.verb in _NO_OBJECT:
        kind = dice.one_of(["fruit", "tool", "garment", "toy"])
        return replace(e, patient=world.something(kind, dice)).say(dice, plain=True)
    return replace(e, patient=None).say(dice, plain=True) if e.verb in _OBJECT else None


def _auxiliary(e: Event, dice: Dice) -> str | None:
    base = dice.word(e.verb)
    e = replace(e, manner="", verb=base, present=False)
    if dice.chance(0.5):
        text = replace(e, negated=True).say(dice, plain=True)
        return _replaced(text, f"not {base}", f"not {past(base)}")
    if e.patient is None or participle(base) == base:
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


def sst2(label: int, dice: Dice) -> Row | None:
    """Praise or blame."""
    return (sentence(review(bool(label), dice)),), label


# ---------------------------------------------------------------- two sentences


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
    """Two short events, of people."""

    def short() -> Event:
        e = world.event(dice, fits=lambda verb: not verb.patient and verb.agent == "person")
        return replace(e, time="", manner="")

    return Sequel(short(), short())


def pair(first: Meaning, second: Meaning | None, label: float, dice: Dice) -> Row | None:
    """Two sentences, in different words."""
    if second is None:
        return None
    texts = first.say(dice), second.say(dice)
    return None if texts[0] == texts[1] else ((sentence(texts[0]), sentence(texts[1])), label)


def question(e: Event, slot: str, dice: Dice) -> str:
    """With its capital and its mark."""
    return sentence(e.ask(slot, dice), "?")


def slots(e: Event) -> list[str]:
    """What can be asked about an event."""
    return ["agent", *(s for s in ("patient", "recipient", "place", "time") if getattr(e, s))]


def qqp(label: int, dice: Dice) -> Row | None:
    """The same question in other words; or nearly the same."""
    e = world.event(dice)
    slot = dice.one_of([*slots(e), "whether"])
    second = e if label else world.changed(e, NEAR_MISSES, dice)
    # what is asked for is not said, so that it may be anything
    if second is None or (not label and _without(second, slot) == _without(e, slot)):
        return None
    if slot not in ("whether", *slots(second)):
        return None
    texts = question(e, slot, dice), question(second, slot, dice)
    return None if texts[0] == texts[1] else (texts, label)


def _without(e: Event, slot: str) -> Event:
    return e if slot == "whether" else replace(e, **{slot: Noun("")} if slot in ("agent",
        "patient", "recipient") else {slot: ""})  # fmt: skip


def stsb(label: float, dice: Dice) -> Row | None:
    """Graded by what the two have in common; `label` is the grade that is wanted, 0 to 5."""
    first = world.event(dice)
    second: Event | None = first
    if label < 0.5:
        second = world.event(dice)
    else:
        for _ in range(round(dice.random() * 3)):
            second = second and world.changed(second, (*NEAR_MISSES, *world.SAY_LESS), dice)
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
    for slot in ("place", "time"):
        x, y = getattr(a, slot), getattr(b, slot)
        if x or y:
            have.append((0.7, 1.0 if x == y else 0.5 if not (x and y) else 0.0))
    grade = 5 * sum(w * part for w, part in have) / sum(w for w, _ in have)
    return round(grade * 5) / 5


def _likeness(x: Noun | None, y: Noun | None) -> float:
    if x is None or y is None:
        return 0.0
    if x.head != y.head:
        return 0.6 if KIND.get(x.head) == y.head else 0.0
    return 1.0 - 0.15 * (x.adj != y.adj) - 0.3 * (x.det != y.det)


# ---------------------------------------------------------------- entailment


def premise(dice: Dice) -> Event:
    """An event, said to be so or not."""
    e = world.event(dice)
    if dice.chance(0.4):
        e = world.negate(e, dice)
        if e.patient and e.patient.det and e.patient.head not in PEOPLE:
            e = replace(e, patient=replace(e.patient, det="a"))
    return e


def entailed(e: Event, dice: Dice) -> Event | None:
    """An event that must be so (or not) if this one is."""
    if e.negated:
        return world.add(e, dice)
    less = world.changed(e, world.SAY_LESS, dice)
    return world.changed(less, world.SAY_LESS, dice) or less if less and dice.chance(0.5) else less


def left_open(e: Event, dice: Dice) -> Event | None:
    """An event that may be so or not if this one is."""
    if e.negated:
        return world.changed(e, (world.drop, world.lift), dice)
    less = world.drop(e, dice) if dice.chance(0.3) else e
    return less and world.add(less, dice)


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
        return pair(_told(e, dice, known=not label), e, label, dice)
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
        return pair(_told(e, dice, known=not label), e, label, dice)
    return _inferred(e, (entailed, left_open, ruled_out)[label](e, dice), label, dice)


def _told(e: Event, dice: Dice, *, known: bool) -> Told:
    return Told(dice.one_of(FACTIVE if known else OPEN), world.someone(dice, named=1.0), e)


def qnli(label: int, dice: Dice) -> Row | None:
    """Does the sentence hold the answer to the question? (0: it does)."""
    e = world.event(dice)
    slot = dice.one_of(slots(e))
    asked = e
    if not label:
        if dice.chance(0.5):
            kept = [s for s in ("place", "time", "manner") if s != slot]
            asked = replace(e, **{dice.one_of(kept): ""})
        told: Event | None = e
    elif slot in ("place", "time") and dice.chance(0.5):
        told = replace(e, **{slot: ""})
    else:
        told = world.changed(e, NEAR_MISSES, dice)
        if told is not None and _without(told, slot) == _without(e, slot):
            return None
    if told is None:
        return None
    return (question(asked, slot, dice), sentence(told.say(dice))), label


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
