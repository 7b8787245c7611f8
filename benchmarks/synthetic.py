"""GLUE tasks of random words, whose rows have as many tokens as the real ones; needs no network.

`python -m benchmarks.synthetic --data GLUE --model MINILM` prints LENGTHS from the real data.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stablebert.config.compose import compose
from stablebert.glue.rows import schema_of
from stablebert.runs.locate import locate
from stablebert.tasks import TASKS, Task
from stablebert.training.build import build_data

LEVELS = (*(i / 20 for i in range(20)), 0.99, 1.0)
# fmt: off
LENGTHS = {
    "cola": (4, 6, 7, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 12, 12, 13, 14, 15, 17, 20, 25, 47),
    "sst2": (3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 11, 13, 14, 16, 18, 20, 23, 27, 33, 44, 66),
    "stsb": (
        10,
        15,
        16,
        17,
        18,
        19,
        19,
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        28,
        31,
        35,
        42,
        51,
        60,
        75,
        125,
    ),
    "mrpc": (
        19,
        32,
        36,
        39,
        41,
        44,
        45,
        47,
        50,
        51,
        53,
        55,
        57,
        59,
        61,
        62,
        64,
        67,
        70,
        74,
        83,
        103,
    ),
    "rte": (13, 29, 33, 37, 40, 43, 45, 47, 50, 53, 56, 59, 62, 67, 72, 85, 103, 120, 128, 128, 128,
            128),
}
# fmt: on
"""Quantiles, at LEVELS, of the tokens of training rows in the vocabulary of bert-base-uncased."""


def quantiles(lengths: np.ndarray) -> tuple[int, ...]:
    """Return the quantiles at LEVELS of the tokens per row, `(N,)`."""
    return tuple(int(length) for length in np.quantile(lengths, LEVELS).round())


def write_synthetic_glue(folder: Path, tokenizer: Path, rows: int = 2400) -> None:
    """Write the tasks of LENGTHS in the hub's layout; the same arguments give the same rows.

    Args:
        folder: Folder to create.
        tokenizer: Folder of a tokenizer, whose whole words the rows consist of.
        rows: Training rows; there are a tenth as many dev rows.
    """
    vocabulary = json.loads((tokenizer / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    words = np.array([word for word in vocabulary["vocab"] if re.fullmatch("[a-z]+", word)])
    for name in LENGTHS:
        task = TASKS[name]
        (folder / task.config).mkdir(parents=True)
        for number, (split, n) in enumerate({"train": rows, task.dev_split: rows // 10}.items()):
            table = _random_rows(task, words, n, np.random.default_rng(number))
            pq.write_table(table, folder / task.config / f"{split}-00000-of-00001.parquet")


def _random_rows(task: Task, words: np.ndarray, n: int, random: np.random.Generator) -> pa.Table:
    special = 1 + len(task.columns)  # [CLS], and [SEP] after every text
    lengths = np.interp(random.random(n), LEVELS, LENGTHS[task.config]).round().astype(int)
    columns: dict[str, Any] = {column: [] for column in task.columns}
    for length in lengths:
        texts = np.array_split(random.choice(words, max(length - special, 1)), len(task.columns))
        for column, text in zip(task.columns, texts, strict=True):
            columns[column].append(" ".join(text))
    values = np.arange(26) / 5 if task.regression else np.arange(task.num_labels)
    return pa.table({**columns, "label": random.choice(values, n)}, schema=schema_of(task))


def main(argv: Sequence[str] | None = None) -> None:
    """Print the quantiles of real data."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.synthetic",
        description="Print the quantiles of the tokens per training row, as in LENGTHS.",
    )
    parser.add_argument("--data", required=True, help="folder with GLUE")
    parser.add_argument("--model", required=True, help="folder of a BERT with its tokenizer")
    args = parser.parse_args(argv)
    for task in LENGTHS:
        keys = [f"task={task}", f"data.source={args.data}", f"model.name={args.model}"]
        data = build_data(locate(compose(["scale=mini", *keys])))
        print(task, quantiles(data.sets["train"].lengths()))


if __name__ == "__main__":
    main()
