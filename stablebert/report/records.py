"""Records from `runs/` and from the committed `results/`.

A damaged file, or one in the folder of another run, is reported and skipped: it never stops a
report and never hides.
"""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from stablebert.errors import ActionableError
from stablebert.filesystem import read_bytes
from stablebert.runs.files import HISTORY, RESULT
from stablebert.runs.record import RunRecord, check_location, parse_record


class ReportError(ActionableError):
    """A report that would be incomplete or misleading."""


def read_records(*roots: Path) -> tuple[list[RunRecord], list[str]]:
    """Read every record under folders such as `runs` and `results`.

    These are every `result.json` at any depth, and every line of `<root>/*.jsonl` and
    `<root>/<scale>/*.jsonl`. A missing root holds no records. A run with two records counts once;
    if the two differ in their scores, the first one counts and the other is a problem.

    Returns:
        The records, sorted, and one line per problem.
    """
    problems: list[str] = []
    records: dict[tuple[object, ...], tuple[RunRecord, str]] = {}
    for root in roots:
        for place, text in _record_texts(root, problems):
            try:
                record = parse_record(text)
                if os.path.basename(place) == RESULT:
                    check_location(record, os.path.dirname(place))
            except ValueError as error:
                problems.append(f"{place}: {error}")
                continue
            first, first_place = records.setdefault(record.key, (record, place))
            if first is not record and _outcome(first) != _outcome(record):
                problems.append(f"{place}: differs from {first_place}, a record of the same run")
    return sorted((record for record, _ in records.values()), key=_order), problems


def _record_texts(root: Path, problems: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield place (`file` or `file:line`) and text of every record under a root."""
    for path, has_lines in record_files(root, problems):
        try:
            text = read_bytes(path)
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
            continue
        if not has_lines:
            yield path, text
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield f"{path}:{number}", line


def record_files(root: Path, problems: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield every file of records, and whether it has one record per line.

    Links are followed, and every folder is read once.
    """
    folders = deque([(str(root), 0)])  # breadth first: a link may lead to a folder further up
    visited: set[tuple[int, int]] = set()
    while folders:
        folder, depth = folders.popleft()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in visited:  # reached again through a link
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as iterator:  # faster than pathlib with thousands of runs
                entries = sorted(iterator, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{folder}: {error.strerror}")
            continue
        for entry in entries:
            if entry.name == RESULT:  # also a folder, which reading it reports
                yield entry.path, False
            elif _is_folder(entry):
                folders.append((entry.path, depth + 1))
            elif depth <= 1 and entry.name.endswith(".jsonl") and entry.name != HISTORY:
                yield entry.path, True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a broken link: if it is a record's, reading it reports the error
        return False


def _outcome(record: RunRecord) -> tuple[object, ...]:
    return record.precision, record.val_best, record.test_at_best, record.test_at_last


def _order(record: RunRecord) -> tuple[str | int, ...]:
    cell = (record.scale, record.task, record.method, record.length, record.config_id)
    return (*cell, *record.seeds)
