"""Which rows train, validate and test: the released code's procedure (`run_glue.py`), exactly.

The dev set is halved within each label value (L136-154); the large tasks validate on 1,000
class-balanced training rows and test on the whole dev set; the 1,000-sample versions train on
class-balanced rows (L559-589). Nothing here depends on a run's seed. One departure, on purpose:
the 1,000-sample versions keep the full task's validation and test rows, which the released code
reshuffled by accident (STS-B even cut its dev set).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from stablebert.glue.sources import DataError
from stablebert.tasks import Task

SAMPLES = 1000  # rows of a 1k training set, and of the validation set held out by a large task


@dataclass(frozen=True)
class Split:
    """Rows of a source's split, in the order in which they are read.

    Attributes:
        source: `train` or the name of the dev split.
        rows: Row numbers in it, `(N,)` int64.
    """

    source: str
    rows: np.ndarray


def split_rows(
    task: Task, train_labels: np.ndarray, dev_labels: np.ndarray, held_out: int = SAMPLES
) -> dict[str, Split]:
    """Rows of `train`, `val` and `test`.

    Args:
        task: The task, full or few-sample.
        train_labels: Labels of all training rows, `(N,)`.
        dev_labels: Labels of all dev rows, `(M,)`.
        held_out: Training rows that a large task validates on.

    Raises:
        DataError: There are too few rows; says what is needed and what was found.
    """
    train, dev = "train", task.dev_split
    if task.holds_out or (task.few_sample and not task.regression):
        few, held = SAMPLES // task.num_labels, held_out // task.num_labels  # of each class
        classes = _shuffled_classes(train_labels)
        needed = (few if task.few_sample else task.holds_out) + held * task.holds_out
        if len(classes) != task.num_labels or min(map(len, classes)) < needed:
            found = {task.labels[train_labels[rows[0]]]: len(rows) for rows in classes}
            raise DataError(
                f"{task.name}: needs {needed} training rows of each of {', '.join(task.labels)}; "
                f"found {found}"
            )
    if task.holds_out:
        val = Split(train, np.concatenate([rows[-held:] for rows in classes]))
        test = Split(dev, np.arange(len(dev_labels)))
    else:
        val, test = (Split(dev, rows) for rows in halve_dev_rows(dev_labels))
    if not len(val.rows) or not len(test.rows):
        raise DataError(
            f"{task.name}: {len(dev_labels)} dev rows leave {len(val.rows)} for validation and "
            f"{len(test.rows)} for the test; each needs one, and a label that occurs once is tested"
        )
    if task.few_sample and task.regression:
        fit = _sample(task, len(train_labels))
    elif task.few_sample:
        fit = np.concatenate([rows[:few] for rows in classes])
    elif task.holds_out:
        fit = np.sort(np.concatenate([rows[:-held] for rows in classes]))
    else:
        fit = np.arange(len(train_labels))
    if not len(fit):
        raise DataError(f"{task.name}: no training rows")
    return {"train": Split(train, fit), "val": val, "test": test}


def halve_dev_rows(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Validation and test half of a dev set, each label value halved by its own shuffle.

    The first `n // 2` of a value validate, so a value that occurs once is tested (STS-B: 722/778).
    """
    val, test = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for rows in _classes(labels):
        np.random.RandomState(1).shuffle(rows)  # the same stream for every value: as released
        val.append(rows[: len(rows) // 2])
        test.append(rows[len(rows) // 2 :])
    return np.concatenate(val), np.concatenate(test)


def fingerprint(rows: np.ndarray) -> str:
    """The set of rows in 16 hexadecimal digits, whatever their order."""
    text = json.dumps(sorted(int(row) for row in rows))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _classes(labels: np.ndarray) -> list[np.ndarray]:
    """Row numbers of each label value, values in the order of their first appearance."""
    values, first = np.unique(labels, return_index=True)
    return [np.flatnonzero(labels == values[i]) for i in np.argsort(first)]


def _shuffled_classes(labels: np.ndarray) -> list[np.ndarray]:
    """`_classes`, each shuffled by one seed-0 stream that runs through them."""
    classes, random = _classes(labels), np.random.RandomState(0)
    for rows in classes:
        random.shuffle(rows)
    return classes


def _sample(task: Task, n: int) -> np.ndarray:
    """1,000 of `n` rows by torch's generator with seed 0: STS-B (1k), not balanced."""
    if n < SAMPLES:
        raise DataError(f"{task.name}: needs {SAMPLES} training rows; found {n}")
    import torch

    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return order[:SAMPLES].numpy()
