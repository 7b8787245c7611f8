"""Sentences that praise or blame, for SST-2: what is meant is more than which words occur."""

from stablebert.glue.demo.grammar import Dice

THINGS = "film/movie book/novel play show song album story concert series".split()
PARTS = """
plot music acting ending script cast dialogue opening humor style scenery lighting title cover
chorus narrator hero villain finale
""".split()
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
LIKE, DISLIKE = (
    "loved enjoyed admired liked praised".split(),
    "hated disliked regretted despised".split(),
)
INTENSE = "very really truly quite rather extremely so".split()
WE = "I we everybody critics".split()


def clause(good: bool, about: str, dice: Dice, *, short: bool = False) -> str:
    """One opinion of a thing or of a part of it."""
    form = dice.random()
    if form < 0.25 and not short:  # somebody likes it
        who = dice.one_of(WE)
        if dice.chance(0.4):
            verb = dice.one_of(DISLIKE if good else LIKE)[:-1].removesuffix("e")
            return f"{who} did not {_base(verb)} the {about}"
        return f"{who} {dice.one_of(LIKE if good else DISLIKE)} the {about}"
    if form < 0.45:  # said through its opposite
        word = dice.one_of(BAD if good else GOOD)
        turned = dice.one_of(["not", "never", "anything but", "far from", "hardly"])
        return f"the {about} was {turned} {word}"
    if form < 0.55 and not short:
        word = dice.one_of(BAD if good else GOOD)
        return f"nobody could call the {about} {word}"
    word = dice.one_of(GOOD if good else BAD)
    return f"the {about} was {dice.one_of([*INTENSE, ''])} {word}".replace("  ", " ")


def _base(stem: str) -> str:
    return {"lov": "love", "admir": "admire", "lik": "like", "prais": "praise", "hat": "hate",
            "dislik": "dislike", "despis": "despise"}.get(stem, stem)  # fmt: skip


def review(good: bool, dice: Dice) -> str:
    """An opinion of a thing, often against a lesser one of a part of it."""
    thing, part = dice.word(dice.one_of(THINGS)), dice.one_of(PARTS)
    form = dice.random()
    if form < 0.35:
        return f"{clause(good, thing, dice)} {_tail(dice)}".strip()
    about = dice.some([thing, part], 2)
    main, less = (
        clause(good, about[0], dice, short=True),
        clause(not good, about[1], dice, short=True),
    )
    forms = (f"{less}, but {main}", f"although {less}, {main}", f"{main} although {less}",
             f"{main} even though {less}", f"{less}, and yet {main}")  # fmt: skip
    return dice.one_of(forms)


def _tail(dice: Dice) -> str:
    return dice.one_of(["", "from start to finish", "in every way", "in the end", "this time",
                        "on the whole", "as a matter of fact", "last night"])  # fmt: skip
