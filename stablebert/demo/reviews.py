"""Sentences that praise or blame.

For SST-2, where what is meant is more than which words occur; and for the unlabelled text, where
words of one opinion stand together and so tell which ones they are.
"""

from stablebert.demo.grammar import Dice, past

THINGS = "film/movie book/novel play show song album story concert series".split()
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
REALLY = ("", "", "really", "truly", "simply")
TURNED = ("not", "anything but", "far from", "hardly")
ENDS = ("", "in the end", "this time", "on the whole", "after all", "all in all")


def review(good: bool, dice: Dice) -> str:
    """An opinion of a thing, now and then against the opposite one of a part of it."""
    thing = dice.word(dice.one_of(THINGS))
    if dice.chance(0.65):
        return f"{clause(good, thing, dice)} {dice.one_of(ENDS)}".strip()
    main, less = clause(good, thing, dice), clause(not good, dice.one_of(PARTS), dice)
    forms = (
        f"{less}, but {main}",
        f"although {less}, {main}",
        f"{main} although {less}",
        f"{main} even though {less}",
        f"{less}, and yet {main}",
    )
    return dice.one_of(forms)


def clause(good: bool, about: str, dice: Dice) -> str:
    """An opinion, straight or through its opposite."""
    turned = dice.chance(0.3)
    if dice.chance(0.25):
        verb = dice.one_of(LIKE if good != turned else DISLIKE)
        return f"{dice.one_of(PEOPLE)} {f'did not {verb}' if turned else past(verb)} the {about}"
    word = dice.one_of(GOOD if good != turned else BAD)
    return " ".join(f"the {about} was {dice.one_of(TURNED if turned else REALLY)} {word}".split())


def opinion(good: bool, dice: Dice) -> str:
    """An opinion as one writes it when nobody labels it: several words that say the same."""
    words, others = (GOOD, BAD) if good else (BAD, GOOD)
    verbs, other_verbs = (LIKE, DISLIKE) if good else (DISLIKE, LIKE)
    (a, b, c), other = dice.some(words, 3), dice.one_of(others)
    thing, part = dice.word(dice.one_of(THINGS)), dice.one_of(PARTS)
    who, verb = dice.one_of(PEOPLE), past(dice.one_of(verbs))
    turned = dice.one_of(TURNED)
    forms = (
        f"the {thing} was {a} and {b}",
        f"the {thing} was {a}, {b} and {c}",
        f"the {thing} was {a}, and the {part} was {b}",
        f"the {a} and {b} {thing} was {c}",
        f"{who} {verb} the {a} and {b} {thing}",
        f"{who} {verb} the {a} {thing} because the {part} was {b}",
        f"the {thing} was {turned} {other}, and {who} {verb} the {a} {part}",
        f"the {part} was {turned} {other} because it was {a} and {b}",
        f"{who} did not {dice.one_of(other_verbs)} the {a} {thing}",
        f"{who} did not {dice.one_of(other_verbs)} the {b} {part} but {verb} it",
    )
    return dice.one_of(forms)
