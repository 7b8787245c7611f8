"""Scores by both seeds, with margins (the paper's Figures 9 and 10)."""

from collections.abc import Sequence

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.analyses.randomness import RANDOMNESS, is_seed_grid
from stablebert.report.figures.base import Figure, FigureKind, Specification
from stablebert.report.figures.captions import (
    compose_caption,
    describe_runs,
    failed_runs,
    name_cell,
)
from stablebert.report.figures.points import cell_values, run_rows, tooltip
from stablebert.report.figures.style import FAILED, Row, draw_panels
from stablebert.report.join import CellResult
from stablebert.report.statistics.variance_components import (
    Layout,
    Margin,
    Margins,
    arrange_scores,
    margins,
)

_STEP = 34
"""Width and height of a run's square, in pixels."""
_SEEDS = ("init", "data")
_MEAN, _SD = "mean", "SD"


def _draw(basis: Basis) -> Sequence[Figure]:
    results = [r for r in basis.results if r.is_complete and is_seed_grid(r.cell)]
    grids = [_arrange(result) for result in results]
    rows = [
        row
        for result, (layout, own) in zip(results, grids, strict=True)
        for row in _rows(result, layout, own, basis.labels)
    ]
    best, worst = max(own.best for _, own in grids), min(own.worst for _, own in grids)
    rows = [{**row, "dark": _is_dark(row, worst, best)} for row in rows]
    return [
        Figure(
            name="heat_map",
            title="Validation scores by both seeds",
            caption=compose_caption(
                "Best validation score of each pair of seed_init (head and re-initialized layers) "
                "and seed_data (order and dropout), with mean and standard deviation (SD) of each "
                "row and column.",
                describe_runs(results),
                *(
                    _describe_margins(result, own, basis.labels)
                    for result, (_, own) in zip(results, grids, strict=True)
                ),
                failed_runs(results, basis.labels),
                "Frames mark failed runs." if any(r.failed for r in results) else "",
            ),
            specification=_specification(rows),
        )
    ]


def _arrange(result: CellResult) -> tuple[Layout, Margins]:
    layout = arrange_scores(
        [record.seed_init for record in result.records],
        [record.seed_data for record in result.records],
        result.val,
    )
    return layout, margins(layout.scores)


def _rows(result: CellResult, layout: Layout, own: Margins, labels: Sequence[str]) -> list[Row]:
    """Return a row per run, per mean and standard deviation of a seed, and for the mean of all."""
    values = cell_values(result.cell, labels)
    panel = {"panel": f"{values['task']}: {values['row']}"}
    runs = [
        {**row, **panel, "init": str(record.seed_init), "data": str(record.seed_data)}
        for row, record in zip(run_rows([result], labels, "val"), result.records, strict=True)
    ]
    statistics = [
        *_margin_rows("init", layout.seed_init, own.init),
        *_margin_rows("data", layout.seed_data, own.data),
        {"init": _MEAN, "data": _MEAN, "kind": _MEAN, "score": own.mean},
    ]
    return [*runs, *({**panel, **row} for row in statistics)]


def _margin_rows(axis: str, seeds: Sequence[int], margin: Margin) -> list[Row]:
    """Return one row per mean and standard deviation of a seed that is fixed."""
    other = "data" if axis == "init" else "init"
    return [
        {axis: str(seed), other: kind, "kind": kind, "score": round(value, 4)}
        for kind, numbers in ((_MEAN, margin.means), (_SD, margin.sds))
        for seed, value in zip(seeds, numbers.tolist(), strict=True)
    ]


def _is_dark(row: Row, worst: float, best: float) -> bool:
    """Return whether the square of a score has a dark color, on which only white is readable."""
    return float(str(row["score"])) < (worst + best) / 2


def _specification(rows: Sequence[Row]) -> Specification:
    seeds = {axis: sorted({int(str(r[axis])) for r in rows if "seed" in r}) for axis in _SEEDS}
    order = {axis: [*map(str, values), _MEAN, _SD] for axis, values in seeds.items()}
    base = alt.Chart().encode(
        alt.X("data:N", sort=order["data"], title="seed_data", axis=alt.Axis(labelAngle=0)),
        alt.Y("init:N", sort=order["init"], title="seed_init"),
        tooltip=tooltip(),
    )
    scores = base.transform_filter(f"datum.kind !== '{_SD}'")
    color = alt.Color(
        "score:Q",
        scale=alt.Scale(scheme="viridis"),
        title="score x 100",
        legend=alt.Legend(gradientLength=200),
    )
    squares = scores.mark_rect().encode(color)
    frames = base.transform_filter("datum.status === 'failed'").mark_rect(
        filled=False, stroke=FAILED, strokeWidth=2.5
    )
    digits = alt.Text("score:Q", format=".1f")
    on_squares = alt.condition("datum.dark", alt.value("#ffffff"), alt.value("#000000"))
    texts = scores.mark_text(fontSize=10).encode(digits, color=on_squares)
    spreads = base.transform_filter(f"datum.kind === '{_SD}'").mark_text(fontSize=10).encode(digits)
    size = alt.Step(_STEP)
    return draw_panels(
        *(squares, frames, texts, spreads),
        rows=rows,
        width=size,
        height=size,
        field="panel",
        most=2,
    )


def _describe_margins(result: CellResult, own: Margins, labels: Sequence[str]) -> str:
    init, data = own.init.means, own.data.means
    return (
        f"{name_cell(result.cell, labels)}: {own.worst:.1f} to {own.best:.1f}, mean "
        f"{own.mean:.1f}; means of a seed_init from {init.min():.1f} to {init.max():.1f}, of a "
        f"seed_data from {data.min():.1f} to {data.max():.1f}."
    )


HEAT_MAP = FigureKind(
    name="heat_map",
    summary="validation score by seed_init and seed_data, with margins",
    items=("fig9", "fig10"),
    obstacle=RANDOMNESS.obstacle,
    draw=_draw,
)
