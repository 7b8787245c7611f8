"""The list of runs of a page: every run once, as columns that the page's script reads."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from stablebert.report.cells import IDENTITY, Cell, task_title
from stablebert.report.page.commands import seed_overrides, train_command
from stablebert.report.page.scripts import pack_rows
from stablebert.report.run_summary import describe_status
from stablebert.report.sweep_report import SweepReport
from stablebert.runs.history import History, Series
from stablebert.runs.record import Key, RunRecord
from stablebert.text import escape_controls

_SHOWN_KEYS = {*IDENTITY, "data.source", "paths.runs"}
"""Parameters that the list shows in columns of their own, or not at all."""
_CURVES = {
    "val/score": ("validation score x 100", 100, 2),
    "train/loss": ("training loss", 1, 4),
}
"""Quantities of the curves: title, factor, and digits."""


def pack_runs(reports: Mapping[str, SweepReport], records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return all runs for the page's script.

    Scores are x 100, with two digits.

    Args:
        reports: Reports by sweep, which say to what a run belongs.
        records: The runs.
    """
    cells = [cell for report in reports.values() for cell in report.basis.cells]
    known_cells = {cell.config_id: cell for cell in cells}
    sweeps: dict[tuple[str, object], list[str]] = {}
    for name, report in reports.items():
        for result in report.basis.results:
            for record in result.records:
                sweeps.setdefault(record.key, []).append(name)
    return pack_rows(
        _describe_run(record, known_cells.get(record.config_id), sweeps.get(record.key, []))
        for record in records
    )


def pack_curves(records: Sequence[RunRecord], histories: Mapping[Key, History]) -> dict[str, Any]:
    """Return curves of runs for the page's script: steps once, and values by run and quantity.

    Args:
        records: The runs, in the order of `pack_runs`.
        histories: Their histories; runs without one have no curves.
    """
    steps: dict[tuple[int, ...], int] = {}

    def pack(series: Series, factor: float, digits: int) -> list[Any]:
        place = steps.setdefault(tuple(series.steps.tolist()), len(steps))
        values = (factor * series.values.astype(float)).round(digits).tolist()
        return [place, [value if isfinite(value) else None for value in values]]

    runs = [
        {
            name: pack(history[name], factor, digits)
            for name, (_, factor, digits) in _CURVES.items()
            if name in history
        }
        for history in (histories.get(record.key, {}) for record in records)
    ]
    titles = {name: title for name, (title, _, _) in _CURVES.items()}
    return {"titles": titles, "runs": [own or None for own in runs], "steps": list(steps)}


def _describe_run(record: RunRecord, cell: Cell | None, sweeps: Sequence[str]) -> dict[str, Any]:
    texts = {
        "sweep": ", ".join(sweeps),
        "task": task_title(record.task, record.scale),
        "method": record.method,
        "length": record.length,
        "setting": _describe_setting(cell) if cell else "",
        "seed": str(record.seeds),
        "status": describe_status(record),
        "folder": record.folder.parent.as_posix(),
        "seed folder": record.folder.name,
        "command": train_command(cell) if cell else "",
        "seeds": " ".join(seed_overrides(record.seeds)),
        "precision": record.precision,
        "device": record.device,
        "commit": record.versions.get("commit") or "unknown",
    }
    numbers = {
        "val": round(100 * record.val_best, 2),
        "test": round(100 * record.test_at_best, 2),
        "last": round(100 * record.test_at_last, 2),
        "best step": record.val_best_step,
        "steps": record.steps,
        "seconds": round(sum(record.seconds.values()), 1),
    }
    return {name: escape_controls(text) for name, text in texts.items()} | numbers


def _describe_setting(cell: Cell) -> str:
    """Return the parameters of a cell besides task, method, and length: `optimizer.lr=0.001`."""
    return " ".join(f"{k}={v}" for k, v in cell.params.items() if k not in _SHOWN_KEYS)
