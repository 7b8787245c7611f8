"""Rows of the demo's tasks, and the wording of pairs of meanings."""

from collections.abc import Callable

from stablebert.demo.grammar import Dice, Meaning, sentence

Row = tuple[tuple[str, ...], float]
"""One or two sentences, and the label."""

Wording = Callable[[bool], str]
"""Function that words a meaning, in the passive voice if its argument is True, if there is one."""


def word_pair(first: Wording, second: Wording | None, dice: Dice) -> tuple[str, str] | None:
    """Return two wordings whose voices do not depend on their meanings; None if they are equal.

    Args:
        first: Wording of the first meaning.
        second: Wording of the second meaning; None: the first meaning again, in other words.
        dice: Chooses the voices.
    """
    voices = [dice.chance(0.4) for _ in range(2)]
    text = first(voices[0])
    # a meaning that has no other wording is left out, whatever it is compared with
    paraphrase = next((t for t in (first(voices[1]) for _ in range(8)) if t != text), None)
    other = second(voices[1]) if second else paraphrase
    return None if None in (paraphrase, other) or other == text else (text, str(other))


def sentence_pair(first: Meaning, second: Meaning | None, label: float, dice: Dice) -> Row | None:
    """Return a row of two sentences in different words; None if there is no such pair."""
    if second is None:
        return None

    def wording(meaning: Meaning) -> Wording:
        return lambda passive: sentence(meaning.say(dice, passive=passive))

    texts = word_pair(wording(first), None if second == first else wording(second), dice)
    return texts and (texts, label)
