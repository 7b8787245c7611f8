"""Sentences that praise or criticize.

Reviews for SST-2 need more than their words to be classified, because of negation and concession.
Opinions in the unlabeled text put words of one polarity side by side, so that a model can learn it.
"""

from stablebert.demo.grammar import Dice, past

WORKS = "film/movie book/novel play show song album story concert series".split()
PARTS = "plot music acting ending script cast dialogue opening humor style finale chorus".split()
GOOD = """
wonderful brilliant charming funny moving clever superb excellent great good delightful touching
fresh gripping beautiful warm witty lively elegant memorable honest graceful thrilling impressive
original powerful sweet subtle bright splendid
""".split()
BAD = """
dull boring awful terrible bad weak clumsy predictable bland tedious silly stupid shallow cold
noisy ugly lifeless messy pointless annoying dreadful slow confusing tired empty sloppy stale
painful ridiculous poor
""".split()
LIKE, DISLIKE = ("love", "enjoy", "admire", "like"), ("hate", "dislike", "despise", "resent")
PEOPLE = ("I", "we", "critics", "most people")
INTENSIFIERS = ("", "", "really", "truly", "simply")
NEGATIONS = ("not", "anything but", "far from", "hardly")
ENDS = ("", "in the end", "this time", "on the whole", "after all", "all in all")


def review(good: bool, dice: Dice) -> str:
    """Return an opinion on a work, sometimes in contrast to the opposite one on a part of it."""
    work = dice.word(dice.one_of(WORKS))
    if dice.chance(0.65):
        return f"{clause(good, work, dice)} {dice.one_of(ENDS)}".strip()
    main, minor = clause(good, work, dice), clause(not good, dice.one_of(PARTS), dice)
    forms = (
        f"{minor}, but {main}",
        f"although {minor}, {main}",
        f"{main} although {minor}",
        f"{main} even though {minor}",
        f"{minor}, and yet {main}",
    )
    return dice.one_of(forms)


def clause(good: bool, subject: str, dice: Dice) -> str:
    """Return an opinion, stated directly or as the negation of its opposite."""
    negated = dice.chance(0.3)
    if dice.chance(0.25):
        verb = dice.one_of(LIKE if good != negated else DISLIKE)
        return f"{dice.one_of(PEOPLE)} {f'did not {verb}' if negated else past(verb)} the {subject}"
    word = dice.one_of(GOOD if good != negated else BAD)
    return " ".join(
        f"the {subject} was {dice.one_of(NEGATIONS if negated else INTENSIFIERS)} {word}".split()
    )


def opinion(good: bool, dice: Dice) -> str:
    """Return an opinion for the unlabeled text: several words of the same polarity."""
    words, others = (GOOD, BAD) if good else (BAD, GOOD)
    verbs, other_verbs = (LIKE, DISLIKE) if good else (DISLIKE, LIKE)
    (a, b, c), other = dice.some(words, 3), dice.one_of(others)
    work, part = dice.word(dice.one_of(WORKS)), dice.one_of(PARTS)
    who, verb = dice.one_of(PEOPLE), past(dice.one_of(verbs))
    negation = dice.one_of(NEGATIONS)
    forms = (
        f"the {work} was {a} and {b}",
        f"the {work} was {a}, {b} and {c}",
        f"the {work} was {a}, and the {part} was {b}",
        f"the {a} and {b} {work} was {c}",
        f"{who} {verb} the {a} and {b} {work}",
        f"{who} {verb} the {a} {work} because the {part} was {b}",
        f"the {work} was {negation} {other}, and {who} {verb} the {a} {part}",
        f"the {part} was {negation} {other} because it was {a} and {b}",
        f"{who} did not {dice.one_of(other_verbs)} the {a} {work}",
        f"{who} did not {dice.one_of(other_verbs)} the {b} {part} but {verb} it",
    )
    return dice.one_of(forms)
