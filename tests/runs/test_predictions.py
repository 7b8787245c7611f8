"""The file of predictions: it gives back what was stored, and its digest reveals changes."""

import hashlib
import math
from contextlib import suppress
from dataclasses import replace
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from stablebert.runs.predictions import (
    RowPredictions,
    digest_of,
    parse_predictions,
    serialize_predictions,
)
from stablebert.runs.seeds import Seeds

KEY = ("0123abcdef", Seeds(3, 3))
PART = RowPredictions(
    source="validation",
    rows=np.array([2, 5, 9], np.int32),
    labels=np.array([0, 1, 1], np.float32),
    logits=np.array([[0.1, -0.2], [math.nan, math.inf], [3e-38, 0]], np.float32),
)
PLACES = {"val_at_last": PART, "test_at_last": replace(PART, source="train")}
REGRESSION = {"test_at_last": replace(PART, logits=PART.logits[:, :1])}


def read_back(runs):
    return parse_predictions(serialize_predictions(runs))


def test_the_places_of_a_run_are_read_back():
    assert read_back({KEY: PLACES})[KEY].keys() == PLACES.keys()


@pytest.mark.parametrize("name", ["source", "rows", "labels", "logits"])
def test_every_value_is_read_back_bit_for_bit(name):
    part = read_back({KEY: PLACES})[KEY]["val_at_last"]
    value, expected = (np.asarray(getattr(x, name)) for x in (part, PART))
    assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
    assert value.tobytes() == expected.tobytes()


def test_runs_with_other_seeds_and_numbers_of_logits_share_a_file():
    runs = {KEY: PLACES, ("0123abcdef", Seeds(0, 2**32 - 1)): REGRESSION}
    parsed = read_back(runs)
    assert {key: digest_of(x) for key, x in parsed.items()} == {
        key: digest_of(x) for key, x in runs.items()
    }


def test_a_table_has_one_row_per_prediction():
    table = parquet.read_table(BytesIO(serialize_predictions({KEY: PLACES})))
    assert table.slice(5).to_pylist() == [
        {
            **{"config_id": "0123abcdef", "seed_init": 3, "seed_data": 3},
            **{"place": "test_at_last", "source": "train", "row": 9, "label": 1.0},
            "logits": [float(np.float32(3e-38)), 0.0],
        }
    ]


def test_the_digest_is_that_of_header_rows_labels_and_logits():
    text = b'["test_at_last", "validation", 3, 1]'
    arrays = (PART.rows, PART.labels, PART.logits[:, 0].copy())
    content = b"".join([text, *(array.tobytes() for array in arrays)])
    assert digest_of(REGRESSION) == hashlib.sha256(content).hexdigest()[:32]


def test_the_digest_ignores_the_order_of_places():
    assert digest_of(dict(reversed(PLACES.items()))) == digest_of(PLACES)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "train"},
        {"rows": PART.rows + 1},
        {"labels": 1 - PART.labels},
        {"logits": np.nextafter(PART.logits, np.float32(1))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_digest_differs_for_another(changes):
    assert digest_of({"test_at_best": replace(PART, **changes)}) != digest_of(
        {"test_at_best": PART}
    )


def test_the_digest_differs_for_another_place():
    assert digest_of({"test_at_best": PART}) != digest_of({"test_at_last": PART})


CONTENT = serialize_predictions({KEY: PLACES})


@pytest.mark.parametrize("end", [0, 3, 100, len(CONTENT) // 2, len(CONTENT) - 1])
def test_a_truncated_file_is_an_error(end):
    with pytest.raises(ValueError, match="not a readable file of predictions"):
        parse_predictions(CONTENT[:end])


def test_a_changed_byte_raises_no_other_error():
    for position in range(4, len(CONTENT), 7):
        changed = bytearray(CONTENT)
        changed[position] ^= 0x55
        with suppress(ValueError):
            parse_predictions(bytes(changed))


@pytest.mark.parametrize("column", ["config_id", "place", "row", "logits"])
def test_a_file_without_a_column_is_an_error(column):
    stream = BytesIO()
    parquet.write_table(parquet.read_table(BytesIO(CONTENT)).drop_columns(column), stream)
    with pytest.raises(ValueError, match=column):
        parse_predictions(stream.getvalue())


def test_a_file_of_several_row_groups_is_read():
    stream = BytesIO()
    parquet.write_table(parquet.read_table(BytesIO(CONTENT)), stream, row_group_size=2)
    parsed = parse_predictions(stream.getvalue())
    assert digest_of(parsed[KEY]) == digest_of(PLACES)


def test_a_file_without_rows_has_no_runs():
    stream = BytesIO()
    parquet.write_table(parquet.read_table(BytesIO(CONTENT)).slice(0, 0), stream)
    assert parse_predictions(stream.getvalue()) == {}


@pytest.mark.filterwarnings("ignore:Exporting an unversioned DLPack capsule")  # of a second attempt
@pytest.mark.parametrize("column", ["config_id", "seed_init", "row", "logits"])
def test_a_file_with_a_null_is_an_error(column):
    rows = parquet.read_table(BytesIO(CONTENT)).to_pylist()
    rows[1][column] = None
    stream = BytesIO()
    schema = parquet.read_schema(BytesIO(CONTENT))
    parquet.write_table(pa.Table.from_pylist(rows, schema), stream)
    with pytest.raises(ValueError, match="not a readable file of predictions"):
        parse_predictions(stream.getvalue())


def test_a_run_has_a_file_of_a_few_kilobytes():
    rng = np.random.default_rng(0)
    part = replace(
        PART,
        rows=np.arange(139, dtype=np.int32),
        labels=np.zeros(139, np.float32),
        logits=rng.normal(size=(139, 2)).astype(np.float32),
    )
    places = ("val_at_best", "val_at_last", "test_at_best", "test_at_last")
    runs = {KEY: {place: replace(part, logits=part.logits + i) for i, place in enumerate(places)}}
    assert len(serialize_predictions(runs)) < 10_000
