"""Export of records to one file, for analysis or to commit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from stablebert.config.files import flatten
from stablebert.drafts import draft_folder
from stablebert.filesystem import naming_file
from stablebert.report.chance import is_at_chance
from stablebert.report.files import csv_text, save_text
from stablebert.report.records import ReportError
from stablebert.runs.record import RunRecord, serialize_record


def write_records(records: Sequence[RunRecord], path: Path) -> None:
    """Write one row per record: `.csv` or `.parquet` for analysis, `.jsonl` to commit.

    In CSV and Parquet, nested values become columns such as `metrics.test_at_best.accuracy`, and a
    column says which runs ended at chance. JSON lines are what `read_records` reads in
    `results/<scale>/`.

    Raises:
        ReportError: If the suffix is another one, or pyarrow is missing for `.parquet`.
    """
    if path.suffix == ".jsonl":
        save_text(path, "".join(json.dumps(serialize_record(record)) + "\n" for record in records))
        return
    rows = [{**flatten(asdict(r)), "at_chance": is_at_chance(r)} for r in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".csv":
        save_text(path, csv_text(columns, rows))
    elif path.suffix == ".parquet":
        _save_parquet(path, {name: [row.get(name) for row in rows] for name in columns})
    else:
        raise ReportError(f"{path}: unknown format; the file must end in .csv, .parquet or .jsonl")


def _save_parquet(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ReportError(
            f"{path}: needs pyarrow, which is not installed; install it or write .csv"
        ) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming_file(path), draft_folder(path) as folder:
        parquet.write_table(pa.table(dict(columns)), folder / path.name)
        (folder / path.name).replace(path)
