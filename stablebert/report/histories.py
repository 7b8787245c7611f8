"""Histories of runs: found next to their records, and checked."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from stablebert.report.companions import Companion
from stablebert.runs.files import HISTORY
from stablebert.runs.history import (
    History,
    Series,
    parse_histories,
    parse_history,
    serialize_histories,
)
from stablebert.runs.record import Key, RunRecord
from stablebert.text import count_of

_LEFT_OUT = ("update_biased/", "update_corrected/", "eps_share/", "weight_change_relative/")
"""Quantities that no figure shows: half of a history."""


def load_histories(
    records: Sequence[RunRecord], *roots: Path
) -> tuple[dict[Key, History], list[str]]:
    """Load the histories of records that `read_records` has read under the same folders.

    Args:
        records: Records of runs.
        roots: Folders such as `runs` and `results`.

    Returns:
        Histories by run, without the quantities that no figure shows; and one line per problem:
        files that are damaged or contradict their record, and the number of records without a
        history.
    """
    runs, problems = COLLECTED_HISTORIES.load(records, *roots)
    return runs, [*problems, *histories_shortage(records, runs)]


def histories_shortage(records: Sequence[RunRecord], runs: Mapping[Key, History]) -> list[str]:
    """Report how many records have no history."""
    absent, total = len(records) - len(runs), count_of(len(records), "record")
    return [f"without a valid history next to them: {absent} of {total}"] if absent else []


def _parse_run(key: Key, content: bytes) -> Mapping[Key, History]:
    history = parse_history(content)
    return {key: {name: x for name, x in history.items() if not name.startswith(_LEFT_OUT)}}


def _mismatch(record: RunRecord, history: History) -> str:
    """Return why a history is not that of a record, which has no digest of it."""
    last = max((int(series.steps[-1]) for series in history.values()), default=0)
    best = _value_at(history.get("val/score"), record.val_best_step)
    if last != record.steps:
        reason = f"it ends at step {last}, not {record.steps}"
    elif record.val_best_step is not None and not math.isclose(best, record.val_best, abs_tol=1e-6):
        step, expected = record.val_best_step, record.val_best
        reason = f"its validation score at step {step} is {best:.6f}, not {expected:.6f}"
    else:
        return ""
    run = f"{record.config_id} {record.seeds.folder}"
    return f"the history of {run} is not that of its record: {reason}"


def _value_at(series: Series | None, step: int | None) -> float:
    """Return the value at a step, NaN if there is none."""
    values = series.values[series.steps == step] if series else np.array([])
    return float(values[0]) if len(values) else math.nan


COLLECTED_HISTORIES = Companion(
    run_file=HISTORY,
    collected_suffix=".histories.parquet",
    parse_run=_parse_run,
    parse_collected=parse_histories,
    serialize=serialize_histories,
    mismatch=_mismatch,
)
"""Histories of runs, in their folders or collected in one file."""
