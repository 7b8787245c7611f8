"""Runs as points of figures, and the names of cells in them."""

from collections.abc import Iterable, Sequence
from typing import Literal

import altair as alt

from stablebert.report.cells import Cell, task_title
from stablebert.report.figures.style import FAILED, GRAY, Row, method_colors
from stablebert.report.join import CellResult
from stablebert.report.sentences import row_name
from stablebert.report.statistics.scores import FloatArray
from stablebert.text import escape_controls

Score = Literal["test", "val"]
SCORE_TITLES: dict[Score, str] = {"test": "test score x 100", "val": "best validation score x 100"}
FAILED_RUN, MEAN, PAPER_MEAN = "failed run", "mean", "paper's mean"
SHAPES = {
    "run": "circle",
    FAILED_RUN: "cross",
    MEAN: "diamond",
    PAPER_MEAN: "triangle-up",
}
"""Shapes of points by their kind."""
_GOLDEN = 0.6180339887498949


def cell_values(cell: Cell, labels: Sequence[str]) -> dict[str, str]:
    """Return the columns that name a cell: `task`, `row`, `method`, and `variant`.

    Args:
        cell: The cell.
        labels: Parameters that distinguish cells of the same task.
    """
    variant = [label for label in labels if label != "method"]
    return {
        "task": escape_controls(task_title(cell.task, cell.scale)),
        "row": escape_controls(row_name(cell, labels)),
        "method": escape_controls(cell.method),
        "variant": escape_controls(row_name(cell, variant)) if variant else "",
    }


def run_rows(results: Iterable[CellResult], labels: Sequence[str], score: Score) -> list[Row]:
    """Return one row per run: the columns of `cell_values` and of the tooltip, and `jitter`.

    `jitter` spreads the points of a box, in 0..1; the same run has the same one in every figure.

    Args:
        results: Results of the cells to show.
        labels: Parameters that distinguish cells of the same task.
        score: The score to show.
    """
    return [
        {
            **values,
            "kind": "run" if record.status == "ok" else FAILED_RUN,
            "color": values["method"] if record.status == "ok" else FAILED_RUN,
            "seed": str(record.seeds),
            "score": round(value, 4),
            "status": record.status,
            "folder": run_address(result, i),
            "jitter": round((0.5 + i * _GOLDEN) % 1, 4),
        }
        for result in results
        for values in [cell_values(result.cell, labels)]
        for i, (record, value) in enumerate(
            zip(result.records, scores_of(result, score).tolist(), strict=True)
        )
    ]


def scores_of(result: CellResult, score: Score) -> FloatArray:
    """Return the scores of a cell's runs, x 100, shape `(n,)`."""
    return result.val if score == "val" else result.test


def run_address(result: CellResult, i: int) -> str:
    """Return the folder of a cell's i-th run, below the folder of all runs."""
    return escape_controls(result.records[i].folder.as_posix())


def tooltip(*first: alt.Tooltip) -> list[alt.Tooltip]:
    """Return what hovering over a run shows: some fields, seed, score, status, and folder."""
    return [
        *first,
        alt.Tooltip("row:N", title="cell"),
        alt.Tooltip("seed:N"),
        alt.Tooltip("score:Q", format=".1f"),
        alt.Tooltip("status:N"),
        alt.Tooltip("folder:N"),
    ]


def method_color(
    results: Iterable[CellResult],
    field: Literal["method", "color"] = "method",
    *,
    legend: bool = False,
) -> alt.Color:
    """Return the color of a mark.

    Args:
        results: Results of all cells of the figure.
        field: `method`, or `color`: the method too, except that failed runs have a color of their
            own.
        legend: Whether the figure needs a legend because nothing else names the methods.
    """
    colors = method_colors(escape_controls(result.cell.method) for result in results)
    # one scale for all layers of a figure: failed runs have a color in those without them, too
    scale = alt.Scale(domain=[*colors, FAILED_RUN], range=[*colors.values(), FAILED])
    entries = alt.Legend(values=list(colors)) if legend else None
    return alt.Color(f"{field}:N", scale=scale, title=None, legend=entries)


def kind_shape(kinds: Iterable[str]) -> alt.Shape:
    """Return the shape of a point by the column `kind`, with a legend.

    Args:
        kinds: The kinds that the figure has; others are not in its legend.
    """
    present = set(kinds)
    shapes = {kind: shape for kind, shape in SHAPES.items() if kind in present}
    scale = alt.Scale(domain=list(shapes), range=list(shapes.values()))
    return alt.Shape("kind:N", scale=scale, title=None, legend=alt.Legend(symbolFillColor=GRAY))
