"""Files of a report."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stablebert.runs.files import write_text
from stablebert.text import escape_controls

_FORMULA = re.compile(r"\s*[=+@-].")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")


def save_text(path: Path, text: str) -> None:
    """Write a file atomically, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Format rows as CSV with a header; columns that a row lacks stay empty."""
    return csv_lines([columns, *([row.get(name) for name in columns] for row in rows)])


def csv_lines(lines: Iterable[Iterable[object]]) -> str:
    """Format lines of values as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_csv_value, line) for line in lines)
    return text.getvalue()


def _csv_value(value: object) -> object:
    """Escape a text that a terminal would act on, or that a spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = escape_controls(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
