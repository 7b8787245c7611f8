"""Predictions of runs, row by row: their content, its digest, and the files that hold it.

`predictions.parquet` of a run and the file of many runs that `collect` writes have one format: the
latter is the former, one run after another. Nothing here imports torch, and pyarrow is imported
only where a file is written or read.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from stablebert.runs.record import Key
from stablebert.runs.seeds import Seeds

if TYPE_CHECKING:
    import pyarrow as pa

_IDENTITY = ("config_id", "seed_init", "seed_data", "place", "source")
"""Columns with one value for all rows of a `RowPredictions`."""
_TEXTS = ["config_id", "place", "source"]
"""Those of them that are texts."""


@dataclass(frozen=True)
class RowPredictions:
    """Predictions of the N rows of a split by one set of weights, in the order of the source.

    Attributes:
        source: Split of the data source that has the rows: `train` or the name of the dev split.
        rows: Row numbers in it, from 0, ascending, `(N,)` int32.
        labels: Class numbers or scores, `(N,)` float32.
        logits: `(N, C)` float32; C = 1 for a regression.
    """

    source: str
    rows: np.ndarray
    labels: np.ndarray
    logits: np.ndarray


RunPredictions = Mapping[str, RowPredictions]
"""Predictions of a run at `val_at_best`, `val_at_last`, `test_at_best` and `test_at_last`, as its
record names them. A run whose validation scores were all NaN has no best weights."""


def digest_of(predictions: RunPredictions) -> str:
    """Return 32 hexadecimal digits that identify predictions, in whatever file they are."""
    digest = hashlib.sha256()
    for place, part in sorted(predictions.items()):
        digest.update(json.dumps([place, part.source, *part.logits.shape]).encode())
        for array, dtype in ((part.rows, "<i4"), (part.labels, "<f4"), (part.logits, "<f4")):
            digest.update(array.astype(dtype).tobytes())
    return digest.hexdigest()[:32]


def serialize_predictions(runs: Mapping[Key, RunPredictions]) -> bytes:
    """Return a Parquet file with one row per run, place and row of the source.

    Its columns are `config_id`, `seed_init`, `seed_data`, `place`, `source`, `row` (int32), `label`
    (float32) and `logits` (a list of float32).
    """
    import pyarrow as pa
    from pyarrow import parquet

    parts = [
        _part_table((config_id, *seeds, place, part.source), part)
        for (config_id, seeds), predictions in runs.items()
        for place, part in predictions.items()
    ]
    stream = pa.BufferOutputStream()
    parquet.write_table(
        pa.concat_tables(parts),
        stream,
        compression="zstd",
        use_dictionary=[*_IDENTITY, "row", "label"],
        column_encoding={"logits.list.element": "BYTE_STREAM_SPLIT"},
    )
    return bytes(stream.getvalue())


def _part_table(identity: tuple[str | int, ...], part: RowPredictions) -> "pa.Table":
    """Return the rows of one part; arrays are made of buffers, as `pa.array` imports pandas."""
    import pyarrow as pa

    def numbers(kind: pa.DataType, values: np.ndarray) -> pa.Array:
        buffer = pa.py_buffer(np.ascontiguousarray(values, kind.to_pandas_dtype()))
        return pa.Array.from_buffers(kind, len(values), [None, buffer])

    def constant(value: str | int) -> pa.Array:
        if isinstance(value, int):
            return numbers(pa.int64(), np.full(n, value))
        text = value.encode()
        ends = pa.py_buffer(np.arange(n + 1, dtype=np.int32) * len(text))
        return pa.StringArray.from_buffers(n, ends, pa.py_buffer(text * n))

    n, c = part.logits.shape
    columns = {
        **{name: constant(value) for name, value in zip(_IDENTITY, identity, strict=True)},
        "row": numbers(pa.int32(), part.rows),
        "label": numbers(pa.float32(), part.labels),
        "logits": pa.ListArray.from_arrays(
            numbers(pa.int32(), np.arange(n + 1) * c), numbers(pa.float32(), part.logits.ravel())
        ),
    }
    return pa.table(columns)


def parse_predictions(content: bytes) -> dict[Key, RunPredictions]:
    """Return the predictions in a Parquet file, by run.

    Raises:
        ValueError: If the file is damaged or has other columns.
    """
    import pyarrow as pa
    from pyarrow import parquet

    runs: dict[Key, dict[str, RowPredictions]] = {}
    try:
        # `read_table` and `to_numpy` would import pandas, `flatten` would import pyarrow.compute
        file = parquet.ParquetFile(pa.BufferReader(content), read_dictionary=_TEXTS)
        table = file.read(use_threads=False)
        rows, labels = (np.from_dlpack(table[name].combine_chunks()) for name in ("row", "label"))
        lists = table["logits"].combine_chunks()
        logits, offsets = np.from_dlpack(lists.values), np.from_dlpack(lists.offsets)
        for (config_id, init, data, place, source), start, end in _parts(table):
            runs.setdefault((config_id, Seeds(init, data)), {})[place] = RowPredictions(
                source,
                rows=rows[start:end],
                labels=labels[start:end],
                logits=logits[offsets[start] : offsets[end]].reshape(end - start, -1),
            )
    except (
        OSError,
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
        pa.ArrowException,
    ) as error:
        raise ValueError(f"not a readable file of predictions: {error}") from error
    return dict(runs)


def _parts(table: "pa.Table") -> Iterator[tuple[tuple[str, int, int, str, str], int, int]]:
    """Yield the parts of a table in which all columns of `_IDENTITY` are constant.

    Each with the values of these columns, its first row, and the row after its last one.
    """
    columns = [table[name].combine_chunks() for name in _IDENTITY]
    codes = [np.from_dlpack(getattr(column, "indices", column)) for column in columns]
    changes = np.logical_or.reduce([code[1:] != code[:-1] for code in codes])
    starts = np.flatnonzero(np.r_[len(table) > 0, changes])
    for start, end in pairwise([*starts.tolist(), len(table)]):
        config_id, init, data, place, source = (column[start].as_py() for column in columns)
        yield (config_id, init, data, place, source), start, end
