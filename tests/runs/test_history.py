"""The files of histories: they give back what was logged, and damage is found."""

from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from pyarrow import parquet

from stablebert.runs.history import parse_histories, parse_history, serialize_histories
from stablebert.runs.seeds import Seeds
from tests.helpers.histories import history_lines, make_history

KEY = ("0123abcdef", Seeds(3, 4))
LINES = b"""\
{"step": 1, "train/loss": 0.5}
{"step": 8, "train/loss": null, "val/score": 0.75}
{"step": 12, "val/score": 1}
"""
HISTORY = {
    **make_history([1, 8], train__loss=[0.5, np.nan]),
    **make_history([8, 12], val__score=[0.75, 1]),
}


def as_lists(history):
    return {name: (list(x.steps), x.values.tobytes()) for name, x in history.items()}


def test_a_series_has_the_steps_at_which_it_was_logged():
    assert list(parse_history(LINES)["val/score"].steps) == [8, 12]


def test_a_number_that_is_not_finite_is_nan():
    np.testing.assert_array_equal(parse_history(LINES)["train/loss"].values, [0.5, np.nan])


def test_the_helper_writes_what_is_parsed():
    assert as_lists(parse_history(history_lines(HISTORY))) == as_lists(HISTORY)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"step": 13, "val/sc', "line 4 is damaged"),
        (b'{"val/score": 1}', "step=None: expected an integer"),
        (b'{"step": 13, "val/score": "1"}', "val/score='1': expected a number"),
        (b'{"step": 12, "val/score": 1}', "step=12 after step 12"),
        (b'{"step": 3000000000}', "step=3000000000 after step 12"),
    ],
)
def test_a_damaged_line_is_an_error(line, reason):
    with pytest.raises(ValueError, match=reason):
        parse_history(LINES + line)


def test_every_series_is_read_back_bit_for_bit():
    runs = {KEY: HISTORY, ("fedcba9876", Seeds(0, 2**32 - 1)): make_history([2], val__loss=[3])}
    parsed = parse_histories(serialize_histories(runs))
    assert {key: as_lists(x) for key, x in parsed.items()} == {
        key: as_lists(x) for key, x in runs.items()
    }


def test_a_collected_file_has_one_row_per_number():
    table = parquet.read_table(BytesIO(serialize_histories({KEY: HISTORY})))
    assert table.slice(3).to_pylist() == [
        {
            **{"config_id": "0123abcdef", "seed_init": 3, "seed_data": 4},
            **{"name": "val/score", "step": 12, "value": 1.0},
        }
    ]


CONTENT = serialize_histories({KEY: HISTORY})


@pytest.mark.parametrize("end", [0, 100, len(CONTENT) - 1])
def test_a_truncated_collected_file_is_an_error(end):
    with pytest.raises(ValueError, match="not a readable file of histories"):
        parse_histories(CONTENT[:end])


def test_a_changed_byte_raises_no_other_error():
    for position in range(4, len(CONTENT), 7):
        changed = bytearray(CONTENT)
        changed[position] ^= 0x55
        with suppress(ValueError):
            parse_histories(bytes(changed))


@pytest.mark.parametrize("column", ["config_id", "name", "step", "value"])
def test_a_collected_file_without_a_column_is_an_error(column):
    stream = BytesIO()
    parquet.write_table(parquet.read_table(BytesIO(CONTENT)).drop_columns(column), stream)
    with pytest.raises(ValueError, match=column):
        parse_histories(stream.getvalue())
