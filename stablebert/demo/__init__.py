"""GLUE without a network: eight tasks in a generated language, in the shape of the real ones.

`grammar` says a meaning in many wordings, with the words of `lexicon`; `world` draws meanings and
changes them; `tasks` labels by meaning; `text` writes what `pretrain` learns from.
"""

from functools import cache

from stablebert.demo.tasks import Row, rows

__all__ = ["HELD_OUT", "ROWS", "Row", "demo_rows"]

ROWS, HELD_OUT = 500, 300
"""Training rows, unless more are asked for; rows of the validation and of the test part."""


@cache  # read to be named by content, and again to be tokenised
def demo_rows(task: str, part: str, *, n: int, seed: int, holds_out: bool) -> list[Row]:
    """Rows of `train` or of the dev split.

    Args:
        task: name in GLUE.
        part: `train`, else the dev split.
        n: training rows, without what is held out of them.
        seed: of everything drawn; a larger `n` adds rows and changes none.
        holds_out: whether the task validates on training rows and tests on the whole dev split.
    """
    dev = rows(task, HELD_OUT * (1 if holds_out else 2), f"dev {seed}")
    if part != "train":
        return dev
    return rows(task, n + HELD_OUT * holds_out, f"train {seed}", without=dev)
