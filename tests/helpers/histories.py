"""Histories of runs made by hand, for tests of reports."""

import json

import numpy as np

from stablebert.report.histories import COLLECTED_HISTORIES
from stablebert.runs.history import Series


def make_history(steps, **values):
    """A history whose quantities are logged at the same steps; `__` in a name stands for `/`."""
    return {
        name.replace("__", "/"): Series(np.array(steps, np.int32), np.array(numbers, np.float32))
        for name, numbers in values.items()
    }


def history_lines(history):
    """The content of the `history.jsonl` of a history."""
    steps = sorted({int(step) for series in history.values() for step in series.steps})
    lines = [
        {
            "step": step,
            **{
                name: None if np.isnan(value) else float(value)
                for name, series in history.items()
                for value in series.values[series.steps == step]
            },
        }
        for step in steps
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def store_histories(root, histories):
    """Write histories where a report looks for those of collected records."""
    lines = root / "all.jsonl"
    lines.parent.mkdir(exist_ok=True)
    lines.touch()
    COLLECTED_HISTORIES.write(histories, lines)
    return root
