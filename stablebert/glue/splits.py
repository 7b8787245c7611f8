"""Splits into training, validation and test rows, as in the released code (`run_glue.py`).

The dev set is halved within each label value (L136-154); the large tasks validate on 1,000
class-balanced training rows and test on the whole dev set; the 1,000-sample versions train on
class-balanced rows (L559-589). Nothing here depends on a run's seed. One difference is intentional:
the 1,000-sample versions keep the full task's validation and test rows, which the released code
reshuffles by accident (and truncates for STS-B).
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from stablebert.glue.rows import DataError
from stablebert.tasks import Task


@dataclass(frozen=True)
class Split:
    """Selected rows of a source's split, in reading order.

    Attributes:
        source: `train` or the name of the dev split.
        rows: Row numbers in it, `(N,)` int64.
    """

    source: str
    rows: np.ndarray


def split_rows(
    task: Task,
    train_labels: np.ndarray,
    dev_labels: np.ndarray,
    held_out: int,
    *,
    test_labels: np.ndarray | None = None,
) -> dict[str, Split]:
    """Return the rows of `train`, `val` and `test`.

    Args:
        task: The task, full or few-sample.
        train_labels: Labels of all training rows, `(N,)`.
        dev_labels: Labels of all dev rows, `(N,)` for another N.
        held_out: Training rows that a large task validates on.
        test_labels: Labels of the task's `test_split`, if it has one: then dev rows validate.

    Raises:
        DataError: If there are too few rows; the message gives the needed and the actual number.
    """
    few = task.samples // task.num_labels  # training rows of each class
    val_size = held_out // task.num_labels  # validation rows of each class
    if (task.few_sample and not few) or (task.holds_out and not val_size):
        raise DataError(
            f"{task.name}: samples={task.samples} and held_out={held_out} must be at least "
            f"{task.num_labels}, a row of each label"
        )
    classes: list[np.ndarray] = []
    if task.holds_out or (task.few_sample and not task.regression):
        classes = _shuffled_classes(task, train_labels)
        minimum = (few if task.few_sample else 1) + val_size if task.holds_out else few
        _check_class_sizes(task, train_labels, classes, minimum)
    if task.holds_out:
        val = Split("train", np.concatenate([rows[len(rows) - val_size :] for rows in classes]))
        test = Split(task.dev_split, np.arange(len(dev_labels)))
    elif task.test_split and test_labels is not None:
        val = Split(task.dev_split, np.arange(len(dev_labels)))
        test = Split(task.test_split, np.arange(len(test_labels)))
    else:
        val, test = (Split(task.dev_split, rows) for rows in halve_dev_rows(dev_labels))
    if not len(val.rows) or not len(test.rows):
        raise DataError(
            f"{task.name}: {len(dev_labels)} dev rows leave {len(val.rows)} for validation and "
            f"{len(test.rows)} for the test; each needs at least one, and the only row of a label "
            "value goes to the test"
        )
    if task.few_sample and task.regression and not task.holds_out:
        train = _sample(task, len(train_labels))
    elif task.few_sample:
        train = np.concatenate([rows[:few] for rows in classes])
    elif task.holds_out:
        train = np.sort(np.concatenate([rows[: len(rows) - val_size] for rows in classes]))
    else:
        train = np.arange(len(train_labels))
    if not len(train):
        raise DataError(f"{task.name}: no training rows")
    return {"train": Split("train", train), "val": val, "test": test}


def halve_dev_rows(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the validation and the test half of a dev set, each label value halved on its own.

    The first `n // 2` rows of a value validate, so that the only row of a value is a test row
    (STS-B: 722 and 778 rows).
    """
    val, test = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for rows in _rows_by_class(labels):
        np.random.RandomState(1).shuffle(rows)  # the same stream for every value: as released
        val.append(rows[: len(rows) // 2])
        test.append(rows[len(rows) // 2 :])
    return np.concatenate(val), np.concatenate(test)


def fingerprint(rows: np.ndarray) -> str:
    """Return 16 hexadecimal digits that identify a set of rows, whatever their order."""
    text = json.dumps(sorted(int(row) for row in rows))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rows_by_class(labels: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each label value, values in the order of their first appearance."""
    values, first = np.unique(labels, return_index=True)
    return [np.flatnonzero(labels == values[i]) for i in np.argsort(first)]


def _shuffled_classes(task: Task, labels: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each class, shuffled one after the other by one stream with seed 0.

    The rows of a regression are one class.
    """
    classes = [np.arange(len(labels))] if task.regression else _rows_by_class(labels)
    random = np.random.RandomState(0)
    for rows in classes:
        random.shuffle(rows)
    return classes


def _check_class_sizes(
    task: Task, labels: np.ndarray, classes: list[np.ndarray], minimum: int
) -> None:
    """Raise a DataError if a class has too few training rows."""
    if len(classes) != task.num_labels or min(map(len, classes)) < minimum:
        if task.regression:
            raise DataError(f"{task.name}: needs {minimum} training rows; found {len(labels)}")
        sizes = {task.labels[labels[rows[0]]]: len(rows) for rows in classes}
        raise DataError(
            f"{task.name}: needs {minimum} training rows of each of {', '.join(task.labels)}; "
            f"found {sizes}"
        )


def _sample(task: Task, n: int) -> np.ndarray:
    """Return `task.samples` of `n` rows, drawn by torch's generator with seed 0: STS-B (1k)."""
    if n < task.samples:
        raise DataError(f"{task.name}: needs {task.samples} training rows; found {n}")
    import torch

    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return order[: task.samples].numpy()
