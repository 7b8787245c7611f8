"""Columns and checks of a task's rows, the same for every file format."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stablebert.errors import InputError
from stablebert.tasks import Task
from stablebert.text import count_of

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PROBLEMS = 5
"""Malformed rows that one error message describes."""

WITH_GAPS = {"qqp"}
"""Tasks whose published files have incomplete rows or empty texts.

QQP's official file has a few truncated rows, which the hub's conversion and the released code skip;
two questions have no text (huggingface/datasets#277).
"""


class DataError(InputError, ValueError):
    """Unusable data; the message names the file, the row and the reason."""


def schema_of(task: Task) -> "pa.Schema":
    """Return the columns of a task: its texts, then `label` (int64; float32 for a regression)."""
    import pyarrow as pa

    label = pa.float32() if task.regression else pa.int64()
    return pa.schema([*((c, pa.string()) for c in task.columns), ("label", label)])


def malformed_rows(table: "pa.Table", task: Task) -> Iterator[tuple[int, str]]:
    """Yield the number of each row whose text or label is unusable, and the reason."""
    import pyarrow.compute as pc

    def true_rows(mask: Any, *, null: bool = True) -> list[int]:
        return list(pc.indices_nonzero(pc.fill_null(mask, null)).to_pylist())

    for column in task.columns:
        for row in true_rows(pc.match_substring(table[column], "\0"), null=False):
            yield row, f"{column} contains a NUL character"
        empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(table[column])), 0)
        if task.config not in WITH_GAPS:
            for row in true_rows(empty):
                yield row, f"{column} has no text"
    label = table["label"]
    low, high = task.score_range if task.regression else (0, task.num_labels - 1)
    # False for NaN
    in_range = pc.and_(pc.greater_equal(label, low), pc.less_equal(label, high))
    for row in true_rows(pc.invert(in_range)):
        value = label[row].as_py()
        is_hidden = value == -1 and not task.own
        hint = " (-1 marks the hidden labels of GLUE's test set)" if is_hidden else ""
        reason = f"{task.label_column} {value}, allowed: {low} to {high}{hint}"
        yield row, "no label" if value is None else reason


def raise_if_malformed(file: Path, unit: str, problems: dict[int, str]) -> None:
    """Raise an error that describes the first malformed rows of a file, if there are any.

    Args:
        file: The file.
        unit: Noun for what is numbered, such as `line`.
        problems: Reason for each malformed row.

    Raises:
        DataError: If there are problems.
    """
    if problems:
        reasons = [f"{unit} {row}: {reason}" for row, reason in sorted(problems.items())]
        text = "; ".join(islice(reasons, MAX_PROBLEMS))
        more = f"; and {len(reasons) - MAX_PROBLEMS} more" if len(reasons) > MAX_PROBLEMS else ""
        raise DataError(f"{file}: {count_of(len(reasons), 'malformed row')}: {text}{more}")


def fill_missing_text(table: "pa.Table") -> "pa.Table":
    """Return the table with empty strings for null texts, which only QQP may have."""
    import pyarrow.compute as pc

    for i, name in enumerate(table.schema.names[:-1]):
        if table[name].null_count:
            table = table.set_column(i, name, pc.fill_null(table[name], ""))
    return table
