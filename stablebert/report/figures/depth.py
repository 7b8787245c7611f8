"""Validation scores by the number of re-initialized layers (the paper's Figures 5 and 13)."""

from collections.abc import Sequence

import altair as alt

from stablebert.config.values import parse_value
from stablebert.report.analyses.base import Basis
from stablebert.report.cells import Cell, task_title, varying_parameters
from stablebert.report.figures.base import Figure, FigureKind
from stablebert.report.figures.boxes import box_plot, mean_rows
from stablebert.report.figures.captions import (
    compose_caption,
    describe_runs,
    failed_runs,
    widest_spread,
)
from stablebert.report.figures.points import run_rows
from stablebert.report.join import CellResult

DEPTH = "reinit.num_layers"


def _obstacle(basis: Basis) -> str:
    results = _usable(basis)
    if len({_depth(result.cell) for result in results}) < 2:
        return f"needs runs at two values of {DEPTH} or more, such as in the sweep reinit_depth"
    others = set(varying_parameters([result.cell for result in results])) - {DEPTH}
    if len({result.cell.length for result in results}) > 1:
        others.add("length")
    if others:
        return f"needs cells that differ in {DEPTH} only, but {', '.join(sorted(others))} varies"
    return ""


def _usable(basis: Basis) -> list[CellResult]:
    results = [r for r in basis.results if r.n and _depth(r.cell) is not None]
    return sorted(results, key=lambda result: _depth(result.cell) or 0)


def _depth(cell: Cell) -> int | None:
    """Return the number of re-initialized layers: -1 if the pooler is kept, None if unknown."""
    depth = cell.params.get(DEPTH)
    if cell.method == "standard" and str(depth or 0) == "0":
        return -1
    if cell.method == "reinit" and depth is not None:
        return int(parse_value(str(depth), DEPTH))
    return None


def _name_depth(cell: Cell) -> str:
    depth = _depth(cell)
    return "standard" if depth == -1 else "pooler" if depth == 0 else str(depth)


def _draw(basis: Basis) -> Sequence[Figure]:
    results = _usable(basis)
    names = [_name_depth(result.cell) for result in results]
    rows = [
        {**row, "depth": name}
        for result, name in zip(results, names, strict=True)
        for row in (
            *run_rows([result], basis.labels, "val"),
            *mean_rows([result], basis.labels, "val"),
        )
    ]
    axis = alt.Axis(labelAngle=0 if all(name.isdigit() for name in names) else -45)
    category = alt.X(
        "depth:N", title="re-initialized layers", sort=list(dict.fromkeys(names)), axis=axis
    )
    return [
        Figure(
            name="depth",
            title="Validation scores by the number of re-initialized layers",
            caption=compose_caption(
                "Best validation score of every run, with boxes from the lower to the upper "
                "quartile.",
                describe_runs(results),
                _best_depths(results),
                failed_runs(results, basis.labels),
                widest_spread(results, basis.labels, "val"),
            ),
            specification=box_plot(results, rows, category=category, score="val"),
        )
    ]


def _best_depths(results: Sequence[CellResult]) -> str:
    """Return a sentence on the depth with the highest mean validation score of each task."""
    best: dict[str, CellResult] = {}
    for result in results:
        title = task_title(result.cell.task, result.cell.scale)
        if title not in best or result.val.mean() > best[title].val.mean():
            best[title] = result
    texts = [f"{title} {_name_depth(result.cell)}" for title, result in best.items()]
    return f"Highest mean: {', '.join(texts)}."


DEPTH_KIND = FigureKind(
    name="depth",
    summary="validation score of every run by the number of re-initialized layers",
    items=("fig5", "fig13"),
    obstacle=_obstacle,
    draw=_draw,
)
