"""GLUE without a network: eight tasks in a generated language, in the shape of the real ones.

`grammar` words a meaning in many ways, with the vocabulary of `lexicon`; `world` draws and changes
meanings; `tasks` labels rows by meaning; `text` writes the text that `pretrain` learns from.
"""

from functools import cache

from stablebert.demo.pairs import Row
from stablebert.demo.tasks import GENERATORS, generate_rows

__all__ = ["DEMO_TASKS", "DIGESTS", "HELD_OUT", "ROWS", "Row", "demo_rows"]

DEMO_TASKS = tuple(GENERATORS)
"""Tasks that the demo generates."""

ROWS, HELD_OUT = 500, 300
"""Default number of training rows; number of rows of the validation and of the test part."""

DIGESTS = {
    "cola": "999e3ae1c042de1bb5b1555e4f1bf376",
    "mnli": "dc3892c6e2e0661361ccadee5efa3529",
    "mrpc": "4fda4c7f3378465c267184f546204b89",
    "qnli": "46c2760a682822248438484ff9199e6a",
    "qqp": "fc0ffe9a9d605c21dd26920b040d81c7",
    "rte": "515f67c6aef12f359c99c8a3610b3dae",
    "sst2": "8c0cf54aead099db3ccc110d4943b1aa",
    "stsb": "5313f9e246a37b4fec535025dafc8777",
}
"""Digests of the default rows of seed 0, so that plans and reports need not generate them.

They are verified whenever the rows are read.
"""


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
