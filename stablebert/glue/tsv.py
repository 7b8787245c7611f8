"""Files of the official GLUE download (`gluebenchmark.com/tasks`): `RTE/train.tsv`."""

import io
import logging
import re
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
        DataError: If the file is not UTF-8 or has CSV quotes, a column is missing or not unique, or
            rows are malformed (lines are counted from 1, including the header).
    """
    layout, rows = TSV_LAYOUTS[task.config], _read_rows(file)
    _refuse_csv_quotes(file)
    has_header = isinstance(layout.columns[0], str)
    header = next(rows, (1, []))[1] if has_header else []
    positions = _column_positions(file, header, layout.columns)
    if dev_ids:
        rows = _select_mrpc_rows(file, header, rows, dev_ids, dev=dev)
    width = len(header) or max(positions) + 1
    table, lines, problems = _parse_rows(file, task, rows, positions, width)
    problems |= {lines[row]: reason for row, reason in malformed_rows(table, task)}
    raise_if_malformed(file, "line", problems)
    return table


def _parse_rows(
    file: Path, task: Task, rows: Rows, positions: list[int], width: int
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
        has_gap = len(row) < width or not row[positions[-1]]
        if task.config in WITH_GAPS and has_gap:
            skip_count += 1
            continue
        if len(row) != width:
            problems[line] = f"{len(row)} columns, {width} needed"
            continue
        *texts, label = (row[position] for position in positions)
        try:
            value = labels[label] if labels else _parse_score(label)
        except (KeyError, ValueError):
            reason = f"label {label!r:.80}, allowed: {allowed_labels}"
            problems[line] = reason if label else "no label"
            continue
        lines.append(line)
        for name, cell in zip(columns, (*texts, value), strict=True):
            columns[name].append(cell)
    if skip_count:
        log.warning("%s: skipped %d incomplete rows, as the hub's version does", file, skip_count)
    return pa.table(columns, schema=schema_of(task)), lines, problems


def _parse_score(text: str) -> float:
    """Return the number that a text spells in ASCII, without the underscores of Python."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


def _read_rows(file: Path) -> Rows:
    """Yield rows. Quotation marks are text (QUOTE_NONE); an empty line is not a row."""
    for line, text in enumerate(io.StringIO(_read_text(file), newline=None), start=1):
        if cells := text.rstrip("\n"):
            yield line, cells.split("\t")


def _read_text(file: Path) -> str:
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise DataError(f"{file}: line {line}: not UTF-8: {e}") from e


# `++` and `*+` do not backtrack: a quotation mark may be megabytes away from the next one.
_CSV_CELL = re.compile(r"""("(?P<quoted>(?:[^"]++|"")*+)"|[^"\t\r\n]*+)(\t|\r?\n|\Z)""")


def _refuse_csv_quotes(file: Path) -> None:
    """Raise a DataError if a CSV writer put cells in quotation marks and doubled those inside.

    In such a file every quotation mark is part of that syntax. GLUE's files have quotation marks
    anywhere.
    """
    text, position, example = _read_text(file), 0, ""
    while position < len(text):
        cell = _CSV_CELL.match(text, position)
        if cell is None:
            return
        if not example and '""' in (cell["quoted"] or ""):
            example = cell[1]
        position = cell.end()
    if example:
        raise DataError(
            f"{file}: cells have CSV quotes, as in {example[:80]}, which GLUE's files do not have; "
            "read it with pandas.read_csv(FILE, sep='\\t', keep_default_na=False), write it with "
            "to_csv(FILE, sep='\\t', index=False, quoting=csv.QUOTE_NONE)"
        )


def _column_positions(
    file: Path, header: list[str], columns: tuple[str, ...] | tuple[int, ...]
) -> list[int]:
    """Return the position of each column, which is given by its position or its name."""
    if repeated_columns := [c for c in columns if header.count(str(c)) > 1]:
        raise DataError(f"{file}: more than one column {repeated_columns}; the header is {header}")
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
