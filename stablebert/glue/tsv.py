"""Files of the official GLUE download (`gluebenchmark.com/tasks`): `RTE/train.tsv`."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stablebert.glue.rows import (
    WITH_GAPS,
    DataError,
    malformed_rows,
    raise_if_malformed,
    schema_of,
)
from stablebert.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

Rows = Iterator[tuple[int, list[str]]]
"""Line number, from 1, and cells of each row."""


@dataclass(frozen=True)
class TsvLayout:
    """Files and columns of a task in the official GLUE download.

    Attributes:
        folder: The task's folder.
        columns: Text columns and then the label, by name; by position if there is no header.
        labels: Class number of each label text; empty if the label is the number itself.
        dev: The dev file.
    """

    folder: str
    columns: tuple[str, ...] | tuple[int, ...]
    labels: dict[str, int] = field(default_factory=lambda: {"0": 0, "1": 1})
    dev: str = "dev.tsv"


_NLI = {"entailment": 0, "not_entailment": 1}

TSV_LAYOUTS = {
    "rte": TsvLayout("RTE", ("sentence1", "sentence2", "label"), _NLI),
    "mrpc": TsvLayout("MRPC", ("#1 String", "#2 String", "Quality")),
    "stsb": TsvLayout("STS-B", ("sentence1", "sentence2", "score"), {}),
    "cola": TsvLayout("CoLA", (3, 1)),
    "sst2": TsvLayout("SST-2", ("sentence", "label")),
    "qnli": TsvLayout("QNLI", ("question", "sentence", "label"), _NLI),
    "qqp": TsvLayout("QQP", ("question1", "question2", "is_duplicate")),
    "mnli": TsvLayout(
        "MNLI",
        ("sentence1", "sentence2", "gold_label"),
        {"entailment": 0, "neutral": 1, "contradiction": 2},
        dev="dev_matched.tsv",
    ),
}
"""Layout of each task by its `config`; a task without an entry has no TSV files."""

# MRPC as Microsoft publishes it: GLUE's dev rows are those whose pair of ids is listed.
MRPC_ROWS, MRPC_DEV_IDS = "msr_paraphrase_train.txt", "dev_ids.tsv"


def tsv_files(task: Task) -> list[dict[str, tuple[str, ...]]]:
    """Return the file names of `train` and of the dev split, for each layout of the task."""
    layout = TSV_LAYOUTS.get(task.config)
    if layout is None:
        return []
    folder = layout.folder
    official: dict[str, tuple[str, ...]]
    official = {"train": (f"{folder}/train.tsv",), task.dev_split: (f"{folder}/{layout.dev}",)}
    if task.config != "mrpc":
        return [official]
    microsoft = (f"{folder}/{MRPC_ROWS}", f"{folder}/{MRPC_DEV_IDS}")
    return [dict.fromkeys(official, microsoft), official]


def read_tsv(file: Path, task: Task, dev_ids: Path | None = None, *, dev: bool) -> "pa.Table":
    """Return the text and label columns of a file, checked.

    Args:
        file: The file.
        task: The task; it has an entry in `TSV_LAYOUTS`.
        dev_ids: List of MRPC's dev rows, if the file holds training and dev rows.
        dev: Select the dev rows, not the training rows; only used with `dev_ids`.

    Raises:
        DataError: If the file is not UTF-8, a column is missing or rows are malformed (lines are
            counted from 1, including the header).
    """
    layout, rows = TSV_LAYOUTS[task.config], _read_rows(file)
    has_header = isinstance(layout.columns[0], str)
    header = next(rows, (1, []))[1] if has_header else []
    positions = _column_positions(file, header, layout.columns)
    if dev_ids:
        rows = _select_mrpc_rows(file, header, rows, dev_ids, dev=dev)
    table, lines, problems = _parse_rows(file, task, rows, positions)
    problems |= {lines[row]: reason for row, reason in malformed_rows(table, task)}
    raise_if_malformed(file, "line", problems)
    return table


def _parse_rows(
    file: Path, task: Task, rows: Rows, positions: list[int]
) -> tuple["pa.Table", list[int], dict[int, str]]:
    """Return the rows that can be parsed, their line numbers, and why other lines cannot be."""
    import pyarrow as pa

    labels = TSV_LAYOUTS[task.config].labels
    allowed_labels = ", ".join(labels) or "a number from {} to {}".format(*task.score_range)
    columns: dict[str, list[Any]] = {name: [] for name in (*task.columns, "label")}
    lines: list[int] = []
    problems: dict[int, str] = {}
    skip_count = 0
    for line, row in rows:
        is_complete = len(row) > max(positions)
        if task.config in WITH_GAPS and not (is_complete and row[positions[-1]]):
            skip_count += 1
            continue
        if not is_complete:
            problems[line] = f"{len(row)} columns, {max(positions) + 1} needed"
            continue
        *texts, label = (row[position] for position in positions)
        try:
            value = labels[label] if labels else float(label)
        except (KeyError, ValueError):
            problems[line] = f"label {label!r}, allowed: {allowed_labels}" if label else "no label"
            continue
        lines.append(line)
        for name, cell in zip(columns, (*texts, value), strict=True):
            columns[name].append(cell)
    if skip_count:
        log.warning("%s: skipped %d incomplete rows, as the hub's version does", file, skip_count)
    return pa.table(columns, schema=schema_of(task)), lines, problems


def _read_rows(file: Path) -> Rows:
    """Yield rows. Quotation marks are text (QUOTE_NONE); an empty line is not a row."""
    try:
        with file.open(encoding="utf-8-sig") as f:
            for line, text in enumerate(f, start=1):
                if cells := text.rstrip("\n"):
                    yield line, cells.split("\t")
    except UnicodeDecodeError as e:
        raise DataError(f"{file}: not UTF-8: {e}") from e


def _column_positions(
    file: Path, header: list[str], columns: tuple[str, ...] | tuple[int, ...]
) -> list[int]:
    """Return the position of each column, which is given by its position or its name."""
    if missing_columns := [c for c in columns if isinstance(c, str) and c not in header]:
        raise DataError(f"{file}: no column {missing_columns}; the header is {header}")
    return [c if isinstance(c, int) else header.index(c) for c in columns]


def _select_mrpc_rows(
    file: Path, header: list[str], rows: Rows, dev_ids: Path, *, dev: bool
) -> Rows:
    """Yield the rows of Microsoft's file that are in GLUE's dev set, or those that are not."""
    positions = _column_positions(file, header, ("#1 ID", "#2 ID"))
    dev_lines = {
        tuple(cells[:2]): line for line, cells in _read_rows(dev_ids) if cells[0].isdigit()
    }
    missing_pairs = set(dev_lines)
    for line, row in rows:
        pair = tuple(row[p] for p in positions) if len(row) > max(positions) else ()
        missing_pairs.discard(pair)
        if (pair in dev_lines) == dev:
            yield line, row
    problems = {dev_lines[pair]: f"{file.name} has no pair {pair}" for pair in missing_pairs}
    raise_if_malformed(dev_ids, "line", problems)
