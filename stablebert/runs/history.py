"""The history of a run: what it logged at which optimizer step, and the files that hold it.

A run writes `history.jsonl` with one line per logged step. The file of many runs that `collect`
writes has one row per number instead. Nothing here imports torch.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stablebert.runs.history_line import parse_line
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

_IDENTITY = ("config_id", "seed_init", "seed_data", "name")
"""Columns with one value for all rows of a series."""


@dataclass(frozen=True)
class Series:
    """A quantity at the k steps at which it was logged.

    Attributes:
        steps: Optimizer steps from 1, ascending, `(k,)` int32.
        values: `(k,)` float32, NaN where the logged number was not finite.
    """

    steps: NDArray[np.int32]
    values: NDArray[np.float32]


History = Mapping[str, Series]
"""Logged quantities by name, such as `val/score` or `weight_change/layer_00`."""


def parse_history(content: bytes) -> History:
    """Return the history in a run's file.

    Raises:
        ValueError: If a line is damaged, or its step is not after that of the line before.
    """
    steps: dict[str, list[int]] = defaultdict(list)
    values: dict[str, list[float | None]] = defaultdict(list)
    last = 0
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            step, numbers = parse_line(line)
            if not last < step < 2**31:
                raise ValueError(f"step={step} after step {last}")
        except ValueError as error:
            raise ValueError(f"line {number} is damaged: {error}") from error
        last = step
        for name, value in numbers.items():
            steps[name].append(step)
            values[name].append(value)
    return {
        name: Series(np.array(steps[name], np.int32), np.array(values[name], np.float32))
        for name in steps
    }


def serialize_histories(histories: Mapping[Key, History]) -> bytes:
    """Return a Parquet file with one row per run, quantity and step.

    Its columns are `config_id`, `seed_init`, `seed_data`, `name`, `step` (int32) and `value`
    (float32).
    """
    parts = {
        (config_id, *seeds, name): series
        for (config_id, seeds), history in histories.items()
        for name, series in history.items()
    }
    columns = {
        **identity_columns(_IDENTITY, list(parts), [len(x.steps) for x in parts.values()]),
        "step": number_column(np.concatenate([series.steps for series in parts.values()])),
        "value": number_column(np.concatenate([series.values for series in parts.values()])),
    }
    return serialize_table(columns, repetitive=[*_IDENTITY, "step"], varied="value")


def parse_histories(content: bytes) -> dict[Key, History]:
    """Return the histories in a Parquet file, by run.

    Raises:
        ValueError: If the file is damaged or has other columns.
    """
    histories: dict[Key, dict[str, Series]] = {}
    with reporting_damage("histories"):
        table = parse_table(content, texts=["config_id", "name"])
        steps, values = numbers_of(table, "step"), numbers_of(table, "value")
        for (config_id, init, data, name), start, end in part_ranges(table, _IDENTITY):
            history = histories.setdefault((config_id, Seeds(init, data)), {})
            history[name] = Series(steps[start:end], values[start:end])
    return dict(histories)
