"""Lines of means over steps, with bands from the lowest to the highest run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.figures.base import UnavailableError
from stablebert.report.figures.points import kind_shape, tooltip
from stablebert.report.figures.style import POINT_SIZE, Row
from stablebert.report.join import CellResult
from stablebert.report.statistics.curves import Curve, summarize_curves
from stablebert.runs.history import History, Series
from stablebert.runs.record import Key
from stablebert.runs.seeds import Seeds
from stablebert.text import count_of


def require_histories(basis: Basis) -> Mapping[Key, History]:
    """Return the histories of a report's runs.

    Raises:
        UnavailableError: If no run has one.
    """
    histories, problems = basis.histories
    if not histories:
        raise UnavailableError(f"needs histories of runs: {'; '.join(problems)}")
    return histories


def describe_missing(results: Iterable[CellResult], histories: Mapping[Key, History]) -> str:
    """Return a sentence on the runs without a history, empty if there are none."""
    records = [record for result in results for record in result.records]
    missing = sum(record.key not in histories for record in records)
    total = count_of(len(records), "run")
    return f"Without a valid history: {missing} of {total}." if missing else ""


def series_of(
    result: CellResult, histories: Mapping[Key, History], name: str
) -> dict[Seeds, Series]:
    """Return a quantity of a cell's runs by seeds, as far as they have logged it."""
    return {
        record.seeds: history[name]
        for record in result.records
        if name in (history := histories.get(record.key, {}))
    }


@dataclass(frozen=True)
class Band:
    """Mean and range of a quantity over the runs of a cell.

    Attributes:
        values: Columns that identify the curve in a figure.
        runs: Names of the runs: their seeds.
        curve: The quantity, at least at one step.
    """

    values: Row
    runs: Sequence[str]
    curve: Curve

    @property
    def last_mean(self) -> float:
        """Mean at the last step."""
        return float(self.curve.mean[-1])

    def row(self, factor: float = 1.0) -> Row:
        """Return the curve as lists in a row of a figure's data, the quantity times a factor."""
        c = self.curve
        numbers = {"mean": c.mean, "low": c.low, "high": c.high}
        return {
            **self.values,
            "step": c.steps.tolist(),
            **{name: [_round(factor * x) for x in values] for name, values in numbers.items()},
            "low_seed": [self.runs[i] for i in c.lowest],
            "high_seed": [self.runs[i] for i in c.highest],
            "n": c.n.tolist(),
        }


def _round(value: float) -> float:
    """Round to four significant digits, which keeps specifications small."""
    return float(f"{value:.4g}")


def make_band(values: Row, runs: Mapping[Seeds, Series] | Mapping[str, Series]) -> list[Band]:
    """Return the band of a quantity by run; none if no value is finite."""
    if not runs:
        return []
    curve = summarize_curves(list(runs.values()))
    return [Band(values, [str(run) for run in runs], curve)] if len(curve.steps) else []


def run_lists(rows: Sequence[Row], steps: Sequence[int | None]) -> Row:
    """Return runs as lists in a row of a figure's data.

    Args:
        rows: The runs of a cell, as `run_rows` returns them.
        steps: Steps at which to show them; None leaves a run out.
    """
    names = ("kind", "seed", "score", "status", "folder")
    shown = [{**row, "run_step": step} for row, step in zip(rows, steps, strict=True) if step]
    return {name: [row[name] for row in shown] for name in (*names, "run_step")}


def band_layers(
    series: Iterable[alt.Color | alt.StrokeDash], *, x: alt.X, y: alt.Y, number_format: str
) -> list[alt.Chart]:
    """Return the layers of curves: bands, lines, and points that show numbers when hovered over.

    Args:
        series: Encodings that tell curves apart.
        x: Axis of the column `step`.
        y: Axis of the column `mean`.
        number_format: D3 format of the quantity.
    """
    base = alt.Chart().encode(x, alt.Detail("row:N"), *series)  # a dash alone parts no areas
    numbers = {"mean": "mean", "low": "lowest run", "high": "highest run"}
    return [
        base.mark_area(opacity=0.18).encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        base.mark_line(strokeWidth=2).encode(y),
        base.mark_point(size=90, opacity=0).encode(
            y,
            tooltip=[
                alt.Tooltip("row:N", title="cell"),
                alt.Tooltip("step:Q"),
                *(
                    alt.Tooltip(f"{name}:Q", title=title, format=number_format)
                    for name, title in numbers.items()
                ),
                alt.Tooltip("low_seed:N", title="seed of the lowest"),
                alt.Tooltip("high_seed:N", title="seed of the highest"),
                alt.Tooltip("n:Q", title="runs"),
            ],
        ),
    ]


def run_layer(rows: Sequence[Row], color: alt.Color | alt.StrokeDash) -> alt.Chart:
    """Return the layer of the runs that `run_lists` has added to rows."""
    kinds = [kind for row in rows for kind in cast(list[str], row["kind"])]
    mark = alt.Chart().mark_point(size=POINT_SIZE, filled=True, opacity=0.5)
    points: alt.Chart = mark.encode(
        alt.X("run_step:Q"),
        alt.Y("score:Q"),
        color,
        kind_shape(kinds),
        tooltip=tooltip(alt.Tooltip("run_step:Q", title="step")),
    )
    return points
