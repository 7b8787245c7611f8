"""Files of a report."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stablebert.runs.files import write_text


def save_text(path: Path, text: str) -> None:
    """Write a file atomically, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Format rows as CSV with a header; columns that a row lacks stay empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
