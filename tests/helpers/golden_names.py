"""Adapter between the golden test and the package.

A change of layout changes this file, and nothing in `tests/test_golden.py` or `tests/golden.json`.
"""

from stablebert.config.compose import compose
from stablebert.config.identity import config_id
from stablebert.demo import DEMO_TASKS, demo_rows
from stablebert.glue.batches import Permutations
from stablebert.packed.dropout import DropoutMasks
from stablebert.runs.locate import locate
from stablebert.seeds import stream_generator as generator
from stablebert.seeds import stream_seed as stream
from stablebert.tasks import TASKS

__all__ = [
    "compose",
    "config_id",
    "data_identity",
    "demo_tasks",
    "dropped",
    "generator",
    "model_identity",
    "permutation",
    "record_folder",
    "rows",
    "stream",
]


def record_folder(line):
    return locate(compose(line.split())).folder


def data_identity(line):
    return locate(compose(line.split())).source.identity


def model_identity(line):
    return locate(compose(line.split())).model_identity


def demo_tasks():
    return [name for name in TASKS if name in DEMO_TASKS]


def rows(task, part):
    """The demo's rows of `train` or `dev`, each a list of its fields."""
    split = "train" if part == "train" else TASKS[task].dev_split
    found = demo_rows(task, split, n=500, seed=0, holds_out=TASKS[task].holds_out)
    return [list(row) for row in found]


def permutation(n, seed):
    return list(Permutations(n, seed))


def dropped(seed, n, p):
    return DropoutMasks(stream(seed, "dropout")).dropped_indices(n, p).tolist()
