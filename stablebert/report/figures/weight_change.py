"""Distance of each layer from its start over steps (the paper's Figures 7 and 15 to 18)."""

from collections.abc import Mapping, Sequence

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.cells import task_title
from stablebert.report.figures.bands import (
    Band,
    band_layers,
    describe_missing,
    make_band,
    require_histories,
    series_of,
)
from stablebert.report.figures.base import Figure, FigureKind, UnavailableError
from stablebert.report.figures.captions import compose_caption, describe_runs
from stablebert.report.figures.points import cell_values
from stablebert.report.figures.series import series_encodings, too_many_lines
from stablebert.report.figures.style import draw_panels
from stablebert.report.join import CellResult
from stablebert.runs.history import History
from stablebert.runs.record import Key

_PREFIX = "weight_change/"
_MOST_COLUMNS, _WIDTH, _HEIGHT = 5, 130, 90
"""Maximum number of panels side by side, and their size in pixels."""


def _obstacle(basis: Basis) -> str:
    results = basis.results_with_runs
    return too_many_lines(results, basis.labels) if results else "needs a cell with runs"


def _draw(basis: Basis) -> Sequence[Figure]:
    histories = require_histories(basis)
    tasks: dict[tuple[str, str], list[CellResult]] = {}
    for result in basis.results:
        if _bands([result], basis.labels, histories):
            tasks.setdefault((result.cell.scale, result.cell.task), []).append(result)
    if not tasks:
        raise UnavailableError("no run logged its weight change; train with monitor.weight_change")
    several_scales = len({scale for scale, _ in tasks}) > 1
    return [
        _figure(
            results,
            basis.labels,
            histories,
            name=f"weight_change-{task}" + (f"-{scale}" if several_scales else ""),
        )
        for (scale, task), results in tasks.items()
    ]


def _bands(
    results: Sequence[CellResult], labels: Sequence[str], histories: Mapping[Key, History]
) -> list[Band]:
    """Return the bands of each layer, from the embeddings to the classifier."""
    return [
        band
        for layer in _layer_names(results, histories)
        for result in results
        for band in make_band(
            {**cell_values(result.cell, labels), "layer": layer},
            series_of(result, histories, _PREFIX + layer),
        )
    ]


def _figure(
    results: Sequence[CellResult],
    labels: Sequence[str],
    histories: Mapping[Key, History],
    *,
    name: str,
) -> Figure:
    bands = _bands(results, labels, histories)
    lines = band_layers(
        series_encodings(results, labels),
        x=alt.X("step:Q", title="step", axis=alt.Axis(tickCount=4, labelOverlap=True)),
        y=alt.Y("mean:Q", title="L2 distance"),
        number_format=".3f",
    )
    title = task_title(results[0].cell.task, results[0].cell.scale)
    return Figure(
        name=name,
        title=f"Weight change of each layer on {title}",
        caption=compose_caption(
            "Mean L2 distance of a layer's parameters from their start, after any "
            "re-initialization, with a band from the lowest to the highest run.",
            describe_runs(results),
            describe_missing(results, histories),
            _top_layer(bands),
            _farthest(bands),
        ),
        specification=draw_panels(
            *lines,
            rows=[band.row() for band in bands],
            width=_WIDTH,
            height=_HEIGHT,
            field="layer",
            most=_MOST_COLUMNS,
        ),
    )


def _layer_names(results: Sequence[CellResult], histories: Mapping[Key, History]) -> list[str]:
    """Return the logged layers from the embeddings to the classifier."""
    names = {
        name.removeprefix(_PREFIX)
        for result in results
        for record in result.records
        for name in histories.get(record.key, {})
        if name.startswith(_PREFIX)
    }
    ends = {"embeddings": -1, "pooler": 1, "classifier": 2}
    return sorted(names, key=lambda name: (ends.get(name, 0), name))


def _top_layer(bands: Sequence[Band]) -> str:
    """Return a sentence on how far the top layer is from its start at the end, by row."""
    layers = [str(band.values["layer"]) for band in bands]
    top = max((layer for layer in layers if layer.startswith("layer_")), default="")
    ends = [
        f"{band.last_mean:.2f} with {band.values['row']}"
        for band in bands
        if band.values["layer"] == top
    ]
    return f"Mean distance of {top}, the top one, at the end: {', '.join(ends)}." if top else ""


def _farthest(bands: Sequence[Band]) -> str:
    band = max(bands, key=lambda band: band.last_mean)
    place = f"{band.values['layer']} with {band.values['row']}"
    return f"Farthest from its start: {place}, {band.last_mean:.2f}."


WEIGHT_CHANGE = FigureKind(
    name="weight_change",
    summary="distance of each layer from its start over steps",
    items=("fig7", "fig15", "fig16", "fig17", "fig18"),
    obstacle=_obstacle,
    draw=_draw,
)
