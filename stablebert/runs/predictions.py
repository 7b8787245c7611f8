"""Predictions of runs, row by row: their content, its digest, and the files that hold it.

`predictions.parquet` of a run and the file of many runs that `collect` writes have one format: the
latter is the former, one run after another. Nothing here imports torch.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stablebert.runs.parquet import (
    identity_columns,
    number_column,
    numbers_of,
    parse_table,
    part_ranges,
    reporting_damage,
    serialize_table,
)
from stablebert.runs.record import Key
from stablebert.runs.seeds import Seeds

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

    parts = {
        (config_id, *seeds, place, part.source): part
        for (config_id, seeds), predictions in runs.items()
        for place, part in predictions.items()
    }
    lengths = [len(part.rows) for part in parts.values()]
    sizes = np.repeat([part.logits.shape[1] for part in parts.values()], lengths)
    logits = np.concatenate([part.logits.ravel() for part in parts.values()])
    columns = {
        **identity_columns(_IDENTITY, list(parts), lengths),
        "row": number_column(np.concatenate([x.rows for x in parts.values()]).astype(np.int32)),
        "label": number_column(
            np.concatenate([x.labels for x in parts.values()]).astype(np.float32)
        ),
        "logits": pa.ListArray.from_arrays(
            number_column(np.r_[0, np.cumsum(sizes)].astype(np.int32)),
            number_column(logits.astype(np.float32)),
        ),
    }
    repetitive = [*_IDENTITY, "row", "label"]
    return serialize_table(columns, repetitive=repetitive, varied="logits.list.element")


def parse_predictions(content: bytes) -> dict[Key, RunPredictions]:
    """Return the predictions in a Parquet file, by run.

    Raises:
        ValueError: If the file is damaged or has other columns.
    """
    runs: dict[Key, dict[str, RowPredictions]] = {}
    with reporting_damage("predictions"):
        table = parse_table(content, texts=_TEXTS)
        rows, labels = numbers_of(table, "row"), numbers_of(table, "label")
        lists = table["logits"].combine_chunks()  # `flatten` would import pyarrow.compute
        logits, offsets = np.from_dlpack(lists.values), np.from_dlpack(lists.offsets)
        for identity, start, end in part_ranges(table, _IDENTITY):
            config_id, init, data, place, source = identity
            runs.setdefault((config_id, Seeds(init, data)), {})[place] = RowPredictions(
                source,
                rows=rows[start:end],
                labels=labels[start:end],
                logits=logits[offsets[start] : offsets[end]].reshape(end - start, -1),
            )
    return dict(runs)
