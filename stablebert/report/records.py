"""The records that a report reads: all of them, quickly, and what cannot be read by name.

`runs/` and the committed `results/` are read alike. A damaged or half-written file is named and
skipped: it never stops a table, and never hides.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from stablebert.errors import ActionableError
from stablebert.runs.files import RESULT, write_text
from stablebert.runs.record import RunRecord, parse_record


class ReportError(ActionableError):
    """A report that cannot honestly be made, and why."""


def read_all(*roots: Path) -> tuple[list[RunRecord], list[str]]:
    """Read every record under folders such as `runs` and `results`.

    In each: every `result.json`, however deep, and every line of `<root>/<scale>/*.jsonl`. A root
    that is not there holds nothing. A run found twice counts once; where the two differ in what
    they scored, the one found first stands and the other is a problem.

    Returns:
        The records, sorted, and one line for each problem.
    """
    problems: list[str] = []
    found: dict[tuple[object, ...], tuple[RunRecord, str]] = {}
    for root in roots:
        for where, text in _texts(root, problems):
            try:
                record = parse_record(text)
            except ValueError as error:
                problems.append(f"{where}: {error}")
                continue
            key = record.key
            first, place = found.setdefault(key, (record, where))
            if first is not record and _outcome(first) != _outcome(record):
                problems.append(f"{where}: differs from {place}, a record of the same run")
    return sorted((record for record, _ in found.values()), key=_order), problems


def _texts(root: Path, problems: list[str]) -> Iterator[tuple[str, str | bytes]]:
    """Place and text of every record under a root."""
    folders = [(str(root), 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{folder}: {error.strerror}")
            continue
        for entry in listed:
            if _is_folder(entry):
                folders.append((entry.path, depth + 1))
                continue
            lines = depth == 1 and entry.name.endswith(".jsonl")
            if not lines and entry.name != RESULT:
                continue
            try:
                with open(entry.path, "rb") as file:
                    text = file.read()
            except OSError as error:
                problems.append(f"{entry.path}: {error.strerror}")
                continue
            if not lines:
                yield entry.path, text
                continue
            for number, line in enumerate(text.splitlines(), start=1):
                if line.strip():
                    yield f"{entry.path}:{number}", line


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere: reading it says so, if it matters
        return False


def _outcome(record: RunRecord) -> tuple[object, ...]:
    return record.precision, record.val_best, record.test_at_best, record.test_at_last


def _order(record: RunRecord) -> tuple[str | int, ...]:
    cell = (record.scale, record.task, record.method, record.length, record.config_id)
    return (*cell, record.seed_init, record.seed_data)


def collect(records: Sequence[RunRecord], path: Path) -> None:
    """Write one line per record: `.csv` or `.parquet` for analysis, `.jsonl` to commit.

    In the first two, nested values become columns: `metrics.test_at_best.accuracy`. The third is
    what `read_all` reads in `results/<scale>/`.

    Raises:
        ReportError: another suffix, or `.parquet` without pyarrow.
    """
    rows = [dict(_flat(asdict(record))) for record in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        save(path, text.getvalue())
    elif path.suffix == ".jsonl":
        save(path, "".join(json.dumps(asdict(record)) + "\n" for record in records))
    elif path.suffix == ".parquet":
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise ReportError(
                f"{path}: needs pyarrow, which is not installed; .csv works"
            ) from None
        whole = {name: [row.get(name) for row in rows] for name in columns}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{uuid4().hex}.part")
        try:
            parquet.write_table(pa.table(whole), part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    else:
        raise ReportError(f"{path}: should end in .csv, .parquet or .jsonl")


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def save(path: Path, text: str) -> None:
    """Write a file whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
