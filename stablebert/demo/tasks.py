"""Eight GLUE-shaped tasks whose labels follow from the meanings of their sentences."""

from collections.abc import Callable, Iterable
from typing import Any

from stablebert.demo.grammar import Dice
from stablebert.demo.inference import mnli, qnli, rte
from stablebert.demo.pairs import Row
from stablebert.demo.paraphrase import mrpc, qqp, stsb
from stablebert.demo.single_sentence import cola, sst2

MIN_WORDS, MAX_WORDS = 6, 14
"""Length of a sentence."""

GENERATORS: dict[str, tuple[Callable[[Any, Dice], Row | None], tuple[float, ...]]] = {
    "cola": (cola, (0.3, 0.7)),
    "sst2": (sst2, (0.44, 0.56)),
    "mrpc": (mrpc, (0.33, 0.67)),
    "stsb": (stsb, (1 / 6,) * 6),
    "qqp": (qqp, (0.63, 0.37)),
    "mnli": (mnli, (1 / 3,) * 3),
    "qnli": (qnli, (0.5, 0.5)),
    "rte": (rte, (0.5, 0.5)),
}
"""Function that draws a row with a given label, and share of each label, near GLUE's own.

STS-B's labels are the grades 0 to 5.
"""


def generate_rows(task: str, n: int, seed: str, exclude: Iterable[Row] = ()) -> list[Row]:
    """Return `n` different rows of a task.

    Args:
        task: Name in GLUE.
        n: Number of rows.
        seed: The same seed gives the same rows, and more of them if `n` is larger.
        exclude: Rows that must not occur.
    """
    draw_row, shares = GENERATORS[task]
    dice = Dice(f"{task} {seed}")
    rows = dict(exclude)
    first, end = len(rows), len(rows) + n
    while len(rows) < end:
        u, label = dice.random(), 0
        while label < len(shares) - 1 and u >= shares[label]:
            u -= shares[label]
            label += 1
        row = None
        while row is None or not all(_has_valid_length(t) for t in row[0]) or row[0] in rows:
            row = draw_row(label, dice)
        rows[row[0]] = row[1]
    return list(rows.items())[first:]


def _has_valid_length(text: str) -> bool:
    return MIN_WORDS <= len(text.split()) <= MAX_WORDS
