"""Validation score by the number of training steps (the paper's Figures 8 and 14)."""

from collections.abc import Sequence

import altair as alt
import numpy as np

from stablebert.report.analyses.base import Basis
from stablebert.report.figures.bands import (
    Band,
    band_layers,
    make_band,
    run_layer,
    run_lists,
)
from stablebert.report.figures.base import Figure, FigureKind
from stablebert.report.figures.captions import (
    compose_caption,
    describe_runs,
    failed_runs,
    widest_spread,
)
from stablebert.report.figures.points import cell_values, run_rows
from stablebert.report.figures.series import series_encodings, too_many_lines
from stablebert.report.figures.style import Row, draw_panels, panel_width
from stablebert.report.join import CellResult
from stablebert.runs.history import Series
from stablebert.runs.seeds import Seeds
from stablebert.text import count_of

_LENGTH = ("length", "trainer.max_steps", "trainer.epochs")
"""Parameters that set the number of steps."""
_MOST_TICKS = 8
"""Maximum number of training lengths that fit on an axis."""


def _obstacle(basis: Basis) -> str:
    groups = _groups(basis)
    if all(len({_steps(result) for result in group}) < 2 for group in groups.values()):
        return "needs runs of the same method with two numbers of steps or more"
    return too_many_lines(basis.results_with_runs, _labels(basis))


def _labels(basis: Basis) -> list[str]:
    return [label for label in basis.labels if label not in _LENGTH]


def _steps(result: CellResult) -> int:
    return result.records[0].steps


def _groups(basis: Basis) -> dict[tuple[str, str], list[CellResult]]:
    """Return the cells that differ in their length only, by task and row."""
    groups: dict[tuple[str, str], list[CellResult]] = {}
    for result in basis.results_with_runs:
        values = cell_values(result.cell, _labels(basis))
        groups.setdefault((values["task"], values["row"]), []).append(result)
    return groups


def _draw(basis: Basis) -> Sequence[Figure]:
    results, labels, groups = basis.results_with_runs, _labels(basis), _groups(basis)
    bands: list[Band] = []
    rows: list[Row] = []
    for group in groups.values():
        runs = run_rows(group, labels, "val")
        steps = [record.steps for result in group for record in result.records]
        for band in make_band(cell_values(group[0].cell, labels), _scores_by_steps(group)):
            bands.append(band)
            rows.append({**band.row(), **run_lists(runs, steps)})
    numbers = sorted({_steps(result) for result in results})
    axis = alt.Axis(values=numbers) if len(numbers) <= _MOST_TICKS else alt.Axis()
    scale = alt.Scale(type="log", nice=False, padding=20)
    series = series_encodings(results, labels)
    layers = band_layers(
        series,
        x=alt.X("step:Q", title="optimizer steps", scale=scale, axis=axis),
        y=alt.Y("mean:Q", title="best validation score x 100", scale=alt.Scale(zero=False)),
        number_format=".1f",
    )
    return [
        Figure(
            name="length",
            title="Validation scores by the number of training steps",
            caption=compose_caption(
                "Mean best validation score, with a band from the lowest to the highest run; "
                "points are runs.",
                describe_runs(results),
                _largest_gain(bands),
                _gaps(bands),
                failed_runs(results, basis.labels),
                widest_spread(results, basis.labels, "val"),
            ),
            specification=draw_panels(
                *layers,
                run_layer(rows, series[0]),
                rows=rows,
                width=panel_width(rows),
                height=170,
                independent="y",
            ),
        )
    ]


def _scores_by_steps(group: Sequence[CellResult]) -> dict[Seeds, Series]:
    """Return the scores of each seed, x 100, by the number of steps."""
    scores: dict[Seeds, dict[int, float]] = {}
    for result in group:
        for record, score in zip(result.records, result.val.tolist(), strict=True):
            scores.setdefault(record.seeds, {})[record.steps] = score
    return {
        seeds: Series(np.array(sorted(own), np.int32), np.array([own[k] for k in sorted(own)]))
        for seeds, own in scores.items()
    }


def _largest_gain(bands: Sequence[Band]) -> str:
    """Return a sentence on the curve whose mean changes most from few to many steps."""
    band = max(bands, key=lambda band: abs(band.curve.mean[-1] - band.curve.mean[0]))
    steps, mean = band.curve.steps, band.curve.mean
    return (
        f"Largest change: {band.values['row']} on {band.values['task']}, {mean[0]:.1f} after "
        f"{steps[0]} steps and {mean[-1]:.1f} after {steps[-1]}."
    )


def _gaps(bands: Sequence[Band]) -> str:
    """Return a sentence on the gap between Re-init and standard with few and with many steps."""
    means: dict[str, dict[str, Band]] = {}
    for band in bands:
        if band.values["row"] == band.values["method"]:
            means.setdefault(str(band.values["task"]), {})[str(band.values["method"])] = band
    gaps = [
        own["reinit"].curve.mean - own["standard"].curve.mean
        for own in means.values()
        if {"reinit", "standard"} <= own.keys()
        and np.array_equal(own["reinit"].curve.steps, own["standard"].curve.steps)
    ]
    if not gaps:
        return ""
    shrinking = sum(abs(gap[-1]) < abs(gap[0]) for gap in gaps)
    first, last = (np.mean([gap[i] for gap in gaps]) for i in (0, -1))
    return (
        f"The gap between reinit and standard is {first:+.1f} points with the fewest steps and "
        f"{last:+.1f} with the most, on average over {count_of(len(gaps), 'task')}; it shrinks on "
        f"{shrinking}."
    )


LENGTH = FigureKind(
    name="length",
    summary="validation score by the number of training steps",
    items=("fig8", "fig14"),
    obstacle=_obstacle,
    draw=_draw,
)
