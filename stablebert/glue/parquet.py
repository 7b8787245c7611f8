"""Parquet files of the hub's layout: `rte/train-00000-of-00001.parquet`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from stablebert.glue.rows import (
    DataError,
    fill_missing_text,
    malformed_rows,
    raise_if_malformed,
    schema_of,
)
from stablebert.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(file: Path, task: Task) -> "pa.Table":
    """Return the text and label columns of a file, checked.

    Raises:
        DataError: If the file is unreadable, a column is missing or of another type, the label
            names differ from the task's, or rows are malformed (counted from 0).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [*task.columns, "label"]
    try:
        schema = pq.read_schema(file)
        if missing_columns := [c for c in columns if c not in schema.names]:
            raise DataError(
                f"{file}: no column {missing_columns}; has {schema.names}, needs {columns}"
            )
        if repeated_columns := [c for c in columns if schema.names.count(c) > 1]:
            raise DataError(f"{file}: more than one column {repeated_columns}; has {schema.names}")
        table = pq.read_table(file, columns=columns)
        table.validate(full=True)  # bytes that are not UTF-8
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(f"{file}: not a readable parquet file: {error}") from error
    _check_label_names(file, schema, task)
    _check_types(file, table.schema, task)
    try:
        table = table.cast(schema_of(task))
    except pa.ArrowInvalid as error:  # a label beyond int64
        raise DataError(f"{file}: malformed rows: {error}") from error
    raise_if_malformed(file, "row (from 0)", dict(malformed_rows(table, task)))
    return fill_missing_text(table)


def _check_label_names(file: Path, schema: "pa.Schema", task: Task) -> None:
    """Raise a DataError if `datasets` stored other label names, or another order, in the file."""
    metadata = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        info = json.loads(metadata).get("info", {})
        names = info.get("features", {}).get("label", {}).get("names")
    except (ValueError, AttributeError) as error:
        raise DataError(f"{file}: the metadata 'huggingface' is damaged: {error}") from error
    if names is not None and names != list(task.labels):
        raise DataError(f"{file}: labels are {names}, {task.config} needs {list(task.labels)}")


def _check_types(file: Path, schema: "pa.Schema", task: Task) -> None:
    """Raise a DataError if a column's type is wrong."""
    import pyarrow as pa

    label = schema.field("label").type
    if not (pa.types.is_floating if task.regression else pa.types.is_integer)(label):
        expected_type = "numbers (float32)" if task.regression else "class numbers (int64)"
        raise DataError(f"{file}: column 'label' is {label}, not {expected_type}")
    for column in task.columns:
        kind = schema.field(column).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise DataError(f"{file}: column {column!r} is {kind}, not string")
