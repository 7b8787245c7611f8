"""Two events, and every wording of a meaning, for the tests of this folder."""

from stablebert.demo.grammar import Dice, Event, Noun

GAVE = Event(
    "give/hand",
    Noun("Mary"),
    Noun("ring", "a", adj="old"),
    Noun("dentist", "the"),
    place="in the garden/yard",
    time="on Monday",
)
HELPED = Event("help/assist", Noun("doctor/physician", "the"), Noun("Adam"), place="in the park")


def wordings(meaning, n=400) -> set[str]:
    dice = Dice("wordings")
    return {meaning.say(dice) for _ in range(n)}


def questions(event, slot, n=300) -> set[str]:
    dice = Dice("questions")
    return {event.ask(slot, dice) for _ in range(n)}
