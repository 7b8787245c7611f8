"""Scores of every run, one box per cell (the paper's Figure 2)."""

from collections.abc import Sequence

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.figures.base import Figure, FigureKind
from stablebert.report.figures.boxes import box_plot, mean_rows
from stablebert.report.figures.captions import (
    compose_caption,
    describe_runs,
    failed_runs,
    largest_difference,
    widest_spread,
)
from stablebert.report.figures.points import PAPER_MEAN, cell_values, run_rows
from stablebert.report.figures.style import Row
from stablebert.report.paper import paper_score, reference_model
from stablebert.report.tables import has_paper_layout


def _obstacle(basis: Basis) -> str:
    return "" if any(result.n for result in basis.results) else "needs finished runs"


def _draw(basis: Basis) -> Sequence[Figure]:
    results = basis.results_with_runs
    paper_rows = _paper_rows(basis)
    rows = [
        *run_rows(results, basis.labels, "test"),
        *mean_rows(results, basis.labels, "test"),
        *paper_rows,
    ]
    order = list(dict.fromkeys(str(row["row"]) for row in rows))
    category = alt.Y("row:N", title=None, sort=order)
    caption = compose_caption(
        "Test scores of single runs, with boxes from the lower to the upper quartile, the median "
        "as a line in the box, and whiskers to the farthest runs within 1.5 box lengths.",
        describe_runs(results),
        _about_the_paper(basis) if paper_rows else "",
        largest_difference(basis.rows, basis.labels),
        failed_runs(results, basis.labels),
        widest_spread(results, basis.labels, "test"),
    )
    return [
        Figure(
            name="distribution",
            title="Test scores over seeds",
            caption=caption,
            specification=box_plot(results, rows, category=category, score="test"),
        )
    ]


def _paper_rows(basis: Basis) -> list[Row]:
    """Return a row per cell with runs whose mean the paper prints."""
    if not has_paper_layout(basis.cells):
        return []
    reference = reference_model(basis.cells)
    return [
        {
            **cell_values(result.cell, basis.labels),
            "kind": PAPER_MEAN,
            "score": float(number.value),
        }
        for result in basis.results_with_runs
        if (number := paper_score(result.cell, table=basis.name, reference=reference))
    ]


def _about_the_paper(basis: Basis) -> str:
    text = "Triangles: the means that the paper prints, of large models on real GLUE"
    scales = {cell.scale for cell in basis.cells}
    return text + (
        "." if scales == {"paper"} else "; only the direction of an effect is comparable."
    )


DISTRIBUTION = FigureKind(
    name="distribution",
    summary="test score of every run, one box per cell",
    items=("fig2",),
    obstacle=_obstacle,
    draw=_draw,
)
