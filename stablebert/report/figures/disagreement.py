"""How much predictions differ between seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.analyses.disagreement import DISAGREEMENT, measures_of
from stablebert.report.figures.base import Figure, FigureKind, UnavailableError
from stablebert.report.figures.captions import compose_caption, describe_runs, name_cell
from stablebert.report.figures.points import cell_values, method_color
from stablebert.report.figures.style import Row, draw_panels, panel_width
from stablebert.report.join import CellResult


@dataclass(frozen=True, kw_only=True)
class _Measure:
    """The measure of a figure."""

    key: str
    """Name of the analysis's number."""
    name: str
    """Name of the figure."""
    axis: str
    definition: str
    factor: float
    unit: str


_MEASURES = (
    _Measure(
        key="pairwise_disagreement",
        name="disagreement",
        axis="disagreement of two runs (%)",
        definition="Share of the test rows on which the predictions of two runs differ, the mean "
        "over all pairs of seeds.",
        factor=100,
        unit="%",
    ),
    _Measure(
        key="prediction_sd",
        name="disagreement-regression",
        axis="SD of a row's prediction",
        definition="Standard deviation over seeds of the prediction for a test row, in units of "
        "the label.",
        factor=1,
        unit="",
    ),
)
_Numbers = Mapping[str, float]


def _draw(basis: Basis) -> Sequence[Figure]:
    by_cell = {id(result.cell): result for result in basis.results}
    cells = [(by_cell[id(own.cell)], own.measures) for own in measures_of(basis)]
    figures = []
    for measure in _MEASURES:
        own = [(result, values) for result, values in cells if measure.key in values]
        if own:
            figures.append(_figure(measure, own, basis.labels))
    if not figures:
        raise UnavailableError(f"needs predictions of runs: {'; '.join(basis.predictions[1])}")
    return figures


def _figure(
    measure: _Measure, cells: Sequence[tuple[CellResult, _Numbers]], labels: Sequence[str]
) -> Figure:
    results = [result for result, _ in cells]
    rows: list[Row] = [
        {
            **cell_values(result.cell, labels),
            "value": round(measure.factor * values[measure.key], 4),
            "n": values["n"],
            "mean_run": round(values["mean_run"], 4),
            "ensemble": round(values["ensemble"], 4),
        }
        for result, values in cells
    ]
    order = list(dict.fromkeys(str(row["row"]) for row in rows))
    bars = (
        alt.Chart()
        .mark_bar(size=14)
        .encode(
            alt.X("value:Q", title=measure.axis),
            alt.Y("row:N", sort=order, title=None),
            method_color(results),
            tooltip=[
                alt.Tooltip("row:N", title="cell"),
                alt.Tooltip("value:Q", title=measure.axis, format=".2f"),
                alt.Tooltip("n:Q", title="runs"),
                alt.Tooltip("mean_run:Q", title="mean test score", format=".1f"),
                alt.Tooltip("ensemble:Q", title="test score of the ensemble", format=".1f"),
            ],
        )
    )
    width, height = panel_width(rows), alt.Step(24)
    return Figure(
        name=measure.name,
        title="Disagreement of predictions between seeds",
        caption=compose_caption(
            measure.definition, describe_runs(results), _standouts(measure, cells, labels)
        ),
        specification=draw_panels(bars, rows=rows, width=width, height=height),
    )


def _standouts(
    measure: _Measure, cells: Sequence[tuple[CellResult, _Numbers]], labels: Sequence[str]
) -> str:
    def describe(pair: tuple[CellResult, _Numbers]) -> str:
        result, values = pair
        value = measure.factor * values[measure.key]
        return f"{name_cell(result.cell, labels)} ({value:.2f}{measure.unit})"

    most = max(cells, key=lambda pair: pair[1][measure.key])
    least = min(cells, key=lambda pair: pair[1][measure.key])
    gain = max(cells, key=lambda pair: pair[1]["ensemble"] - pair[1]["mean_run"])
    points = gain[1]["ensemble"] - gain[1]["mean_run"]
    return (
        f"Most: {describe(most)}; least: {describe(least)}. The ensemble of all runs gains most "
        f"over the mean run with {name_cell(gain[0].cell, labels)}: {points:+.1f} points."
    )


DISAGREEMENT_KIND = FigureKind(
    name="disagreement",
    summary="share of test rows on which two seeds disagree",
    items=(),
    obstacle=DISAGREEMENT.obstacle,
    draw=_draw,
)
