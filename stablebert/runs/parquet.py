"""Parquet files of several runs: one part after another, each with its identity in columns.

pyarrow is imported only where a file is written or read.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def number_column(values: np.ndarray) -> "pa.Array":
    """Return a column of numbers, made of buffers, as `pa.array` imports pandas."""
    import pyarrow as pa

    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, buffer])


def identity_columns(
    names: Sequence[str], identities: Sequence[tuple[str | int, ...]], lengths: Sequence[int]
) -> dict[str, "pa.Array"]:
    """Return columns of texts and integers that are constant within each part of a table.

    Args:
        names: Names of the columns.
        identities: Values of the columns, by part.
        lengths: Number of rows, by part.
    """
    by_column = zip(*identities, strict=True)
    return {
        name: _text_column(values, lengths)
        if isinstance(values[0], str)
        else number_column(np.repeat(np.array(values, np.int64), lengths))
        for name, values in zip(names, by_column, strict=True)
    }


def _text_column(texts: Sequence[str], lengths: Sequence[int]) -> "pa.Array":
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    content = b"".join(text * n for text, n in zip(encoded, lengths, strict=True))
    sizes = np.repeat([len(text) for text in encoded], lengths)
    ends = np.r_[0, np.cumsum(sizes)].astype(np.int32)
    return pa.StringArray.from_buffers(len(sizes), pa.py_buffer(ends), pa.py_buffer(content))


def serialize_table(
    columns: Mapping[str, "pa.Array"], *, repetitive: Sequence[str], varied: str
) -> bytes:
    """Return a Parquet file.

    Args:
        columns: Columns by name.
        repetitive: Columns whose values repeat, which are stored as codes.
        varied: Path of the column of float32 numbers of which few are equal.
    """
    import pyarrow as pa
    from pyarrow import parquet

    stream = pa.BufferOutputStream()
    parquet.write_table(
        pa.table(dict(columns)),
        stream,
        compression="zstd",
        use_dictionary=list(repetitive),
        column_encoding={varied: "BYTE_STREAM_SPLIT"},
    )
    return bytes(stream.getvalue())


def parse_table(content: bytes, *, texts: Sequence[str]) -> "pa.Table":
    """Return the table in a Parquet file, with its columns of text as codes."""
    import pyarrow as pa
    from pyarrow import parquet

    # `read_table` would import pandas
    file = parquet.ParquetFile(pa.BufferReader(content), read_dictionary=list(texts))
    return file.read(use_threads=False)


@contextmanager
def reporting_damage(kind: str) -> Iterator[None]:
    """Raise a ValueError for every error that a damaged file of a kind may cause in the block."""
    import pyarrow as pa

    errors = (OSError, LookupError, TypeError, AttributeError, ValueError, pa.ArrowException)
    try:
        yield
    except errors as error:
        raise ValueError(f"not a readable file of {kind}: {error}") from error


def numbers_of(table: "pa.Table", name: str) -> np.ndarray:
    """Return a column of numbers; `to_numpy` would import pandas."""
    return np.asarray(np.from_dlpack(table[name].combine_chunks()))


def part_ranges(
    table: "pa.Table", names: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    """Yield the parts of a table in which all columns of an identity are constant.

    Each with the values of these columns, its first row, and the row after its last one.
    """
    columns = [table[name].combine_chunks() for name in names]
    codes = [np.from_dlpack(getattr(column, "indices", column)) for column in columns]
    changes = np.logical_or.reduce([code[1:] != code[:-1] for code in codes])
    starts = np.flatnonzero(np.r_[len(table) > 0, changes])
    values = [_decode(column, code[starts]) for column, code in zip(columns, codes, strict=True)]
    ranges = pairwise([*starts.tolist(), len(table)])
    for identity, (start, end) in zip(zip(*values, strict=True), ranges, strict=True):
        yield identity, start, end


def _decode(column: "pa.Array", codes: np.ndarray) -> list[str | int]:
    """Return the values that codes of a column represent: of numbers, the codes themselves."""
    if not hasattr(column, "dictionary"):
        return list(codes.tolist())
    texts = column.dictionary.to_pylist()
    return [texts[code] for code in codes.tolist()]
