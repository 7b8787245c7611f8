"""Rows of a user's files: CSV, TSV, JSON Lines, parquet, and Arrow as `datasets` saves it."""

import codecs
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stablebert.filesystem import read_bytes
from stablebert.glue.rows import DataError, malformed_rows, raise_if_malformed, schema_of
from stablebert.tasks import Task
from stablebert.text import count_of

if TYPE_CHECKING:
    import pyarrow as pa

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it starts with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass
class RawRows:
    """Rows of a file, each value of the type that the file has.

    Attributes:
        unit: Noun for what is numbered: `line`, or `row (from 0)`.
        columns: Names of the columns.
        rows: Number and values of each row, in the order of `columns`.
        problems: Reason why a line is no row, by its number.
        class_names: Names of the label's numbers, if the file has them.
    """

    unit: str
    columns: Sequence[str]
    rows: Sequence[tuple[int, Sequence[Any]]]
    problems: dict[int, str] = field(default_factory=dict)
    class_names: Sequence[str] = ()


def read_own_rows(file: Path, task: Task) -> "pa.Table":
    """Return the text columns and `label` of a file, checked.

    Raises:
        DataError: If the file is unreadable, a column is missing, or rows are malformed; the
            message names the file, and line or row and column of the first ones.
    """
    raw = read_raw_rows(file, (*task.columns, task.label_column))
    _check_columns(file, raw.columns, task)
    positions = [raw.columns.index(name) for name in (*task.columns, task.label_column)]
    parse_label = _parser_of_labels(task, raw.class_names)
    columns: list[list[Any]] = [[] for _ in positions]
    numbers, problems = [], dict(raw.problems)
    for number, values in raw.rows:
        *texts, label = (values[position] for position in positions)
        try:
            texts = [_check_text(*pair) for pair in zip(task.columns, texts, strict=True)]
            parsed = parse_label(label)
        except ValueError as error:
            problems[number] = str(error)
            continue
        numbers.append(number)
        for column, value in zip(columns, (*texts, parsed), strict=True):
            column.append(value)
    import pyarrow as pa

    names = (*task.columns, "label")
    table = pa.table(dict(zip(names, columns, strict=True)), schema=schema_of(task))
    problems |= {numbers[row]: reason for row, reason in malformed_rows(table, task)}
    raise_if_malformed(file, raw.unit, problems)
    return table


def read_raw_rows(file: Path, expected: Sequence[str] = ()) -> RawRows:
    """Return the rows of a file as they are.

    Args:
        file: The file; its ending says what it is.
        expected: Columns by which the delimiter of a CSV file is recognized.

    Raises:
        DataError: If the file cannot be read.
    """
    return READERS[file.suffix.lower()](file, expected)


def _check_columns(file: Path, columns: Sequence[str], task: Task) -> None:
    for key, names in (("text", task.columns), ("label", (task.label_column,))):
        for name in names:
            if columns.count(name) != 1:
                count = "more than one" if name in columns else "no"
                raise DataError(
                    f"{file}: {count} column {name!r}, which tasks.{task.config}.{key} names; the "
                    f"columns are {', '.join(map(repr, columns))}"
                )


def _check_text(column: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"{column} is {value!r:.80}, not a text")


def _parser_of_labels(task: Task, class_names: Sequence[str]) -> Callable[[Any], float]:
    """Return a function from a value of the label column to a class number or a score.

    A class may be written as its name, or as its number from 0 unless names are numbers too. If the
    file has names for its numbers, these count.
    """
    column = task.label_column
    classes = {name: i for i, name in enumerate(task.labels)}
    if not any(name.lstrip("-").isdigit() for name in task.labels):
        classes |= {str(i): i for i in range(len(task.labels))}
    allowed = ", ".join(task.labels) or "a number from {} to {}".format(*task.score_range)

    def parse(value: Any) -> float:
        if value is None or (isinstance(value, str) and not value.strip()):
            raise ValueError(f"{column} is empty: no label")
        try:
            if task.regression:
                return _parse_score(value)
            is_number = isinstance(value, float) and value.is_integer()
            text = str(int(value) if is_number else value).strip()
            if class_names and not isinstance(value, str):
                text = class_names[int(text)] if int(text) >= 0 else text
            return classes[text]
        except (KeyError, ValueError, IndexError, TypeError):
            raise ValueError(f"{column} is {value!r:.80}; allowed: {allowed}") from None

    return parse


def _parse_score(value: Any) -> float:
    """Return a number, or the number that a text spells in ASCII without underscores."""
    is_text = isinstance(value, str) and value.isascii() and "_" not in value
    if isinstance(value, bool) or not (is_text or isinstance(value, int | float)):
        raise ValueError(value)
    return float(value)


# ---------------------------------------------------------------- formats


def _read_csv(file: Path, expected: Sequence[str]) -> RawRows:
    """Read a CSV file; its delimiter is the one of `,`, `;` and tab that gives the columns."""
    text = _decode(file)
    headers = {delimiter: _header(text, delimiter) for delimiter in ",;\t"}
    fitting = [d for d, header in headers.items() if set(expected) <= set(header)]
    by_width = max(headers, key=lambda d: len(headers[d]))
    rows = _delimited_rows(text, fitting[0] if fitting and expected else by_width)
    return _with_header(file, rows)


def _read_tsv(file: Path, expected: Sequence[str]) -> RawRows:
    """Read a TSV file: with quotes as in CSV if all of it is written so, else quotes are text."""
    text = _decode(file)
    try:
        quoted = _with_header(file, _delimited_rows(text, "\t"))
    except DataError:
        quoted = None
    if quoted and not quoted.problems:
        return quoted
    return _with_header(file, _delimited_rows(text, "\t", quoting=csv.QUOTE_NONE))


def _header(text: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(_delimited_rows(text, delimiter), (1, []))[1]]
    except csv.Error:
        return []


def _delimited_rows(
    text: str, delimiter: str, *, quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line of each row, from 1, and the row's cells."""
    reader = csv.reader(StringIO(text, ""), delimiter=delimiter, quoting=quoting, strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {line}: {error} (is a quotation mark not closed?)") from error


def _with_header(file: Path, rows: Iterator[tuple[int, list[str]]]) -> RawRows:
    """Return rows whose first one has the names of the columns."""
    try:
        _, header = next(rows, (1, []))
        body = list(rows)
    except csv.Error as error:
        raise DataError(f"{file}: {error}") from error
    width = len(header)
    return RawRows(
        "line",
        [name.strip() for name in header],
        [(line, cells) for line, cells in body if len(cells) == width],
        {
            line: f"{count_of(len(cells), 'column')}, but the header has {width}"
            for line, cells in body
            if len(cells) != width
        },
    )


def _read_json_lines(file: Path, expected: Sequence[str]) -> RawRows:
    """Read JSON Lines; the columns are the keys of any row, and a missing key is null."""
    objects: list[tuple[int, dict[str, Any]]] = []
    problems = {}
    for line, text in enumerate(_decode(file).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            problems[line] = f"not JSON: {error}"
            continue
        if isinstance(value, dict):
            objects.append((line, value))
        else:
            problems[line] = "not an object; JSON Lines has one {...} per line"
    columns = list(dict.fromkeys(key for _, value in objects for key in value))
    rows = [(line, [value.get(name) for name in columns]) for line, value in objects]
    if not rows:
        raise_if_malformed(file, "line", problems)
    return RawRows("line", columns, rows, problems)


def _decode(file: Path) -> str:
    """Return the text of a file in UTF-8, or in the encoding of its byte-order mark."""
    content = read_bytes(file)
    marks = (mark for mark in BYTE_ORDER_MARKS if content.startswith(mark))
    encoding = BYTE_ORDER_MARKS.get(next(marks, b""), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file}: line {line}: not {encoding.upper()}: {error.reason}; save the file as UTF-8"
        ) from error


def _read_arrow(file: Path, expected: Sequence[str]) -> RawRows:
    """Read a parquet file, or an Arrow file of `Dataset.save_to_disk`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if file.suffix.lower() == ".parquet":
            table = pq.read_table(file)
        else:
            table = pa.ipc.open_stream(pa.memory_map(str(file))).read_all()
        table.validate(full=True)  # bytes that are not UTF-8
        names = table.schema.names
        values = [column.to_pylist() for column in table.columns]
        class_names = _class_names(table.schema, expected[-1] if expected else "")
    except (OSError, ValueError, AttributeError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable {file.suffix[1:]} file: {error}") from error
    rows = list(enumerate(zip(*values, strict=True)))
    return RawRows("row (from 0)", names, rows, class_names=class_names)


def _class_names(schema: "pa.Schema", column: str) -> Sequence[str]:
    """Return the names of a column's numbers that `datasets` stored in a file."""
    info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {})
    feature = info.get("features", {}).get(column)
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else ()


READERS: dict[str, Callable[[Path, Sequence[str]], RawRows]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json_lines,
    ".parquet": _read_arrow,
    ".arrow": _read_arrow,
}
"""Readers by the ending of a file's name."""
