"""GLUE without a network: eight tasks in a generated language, in the shape of the real ones.

`grammar` words a meaning in many ways, with the vocabulary of `lexicon`; `world` draws and changes
meanings; `tasks` labels rows by meaning; `text` writes the text that `pretrain` learns from.
"""

from functools import cache

from stablebert.demo.pairs import Row
from stablebert.demo.tasks import GENERATORS, generate_rows

__all__ = ["DEMO_TASKS", "HELD_OUT", "ROWS", "Row", "demo_rows"]

DEMO_TASKS = tuple(GENERATORS)
"""Tasks that the demo generates."""

ROWS, HELD_OUT = 500, 300
"""Default number of training rows; number of rows of the validation and of the test part."""


@cache  # read once for the content's digest and once for tokenization
def demo_rows(task: str, part: str, *, n: int, seed: int, holds_out: bool) -> list[Row]:
    """Return the rows of `train` or of the dev split.

    Args:
        task: One of `DEMO_TASKS`.
        part: `train`; any other name selects the dev split.
        n: Training rows, without those of the validation set.
        seed: Seed of everything drawn; a larger `n` adds rows and changes none.
        holds_out: Validate on additional training rows and test on the whole dev split.
    """
    dev = generate_rows(task, HELD_OUT * (1 if holds_out else 2), f"dev {seed}")
    if part != "train":
        return dev
    return generate_rows(task, n + HELD_OUT * holds_out, f"train {seed}", exclude=dev)
