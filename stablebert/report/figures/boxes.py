"""Box plots with every run as a point."""

from collections.abc import Sequence

import altair as alt

from stablebert.report.figures.base import Specification
from stablebert.report.figures.points import (
    MEAN,
    SCORE_TITLES,
    Score,
    cell_values,
    kind_shape,
    method_color,
    scores_of,
    tooltip,
)
from stablebert.report.figures.style import (
    GRAY,
    POINT_SIZE,
    Row,
    draw_panels,
    panel_width,
)
from stablebert.report.join import CellResult
from stablebert.report.statistics.scores import describe_scores

_BAND = 30
"""Width of a box with its margins, in pixels."""


def box_plot(
    results: Sequence[CellResult],
    rows: Sequence[Row],
    *,
    category: alt.X | alt.Y,
    score: Score,
) -> Specification:
    """Return one panel per task with a box per category, every run as a point, and means.

    A box has the quartiles, and whiskers to the farthest runs within 1.5 times its length.

    Args:
        results: Results of the cells.
        rows: Runs, as `run_rows` returns them, and means: rows with `task`, `method`, `score`, the
            field of the category, and the kind `MEAN` or `PAPER_MEAN`.
        category: Axis of the categories: X for vertical boxes, Y for horizontal ones.
        score: The score, which names the other axis.
    """
    is_vertical = isinstance(category, alt.X)
    value = (alt.Y if is_vertical else alt.X)("score:Q", title=SCORE_TITLES[score])
    value = value.scale(zero=False, nice=True, padding=6)
    offset = (alt.XOffset if is_vertical else alt.YOffset)("jitter:Q")
    base = alt.Chart().encode(value, category)
    runs = base.transform_filter("datum.seed != null")
    boxes = runs.mark_boxplot(
        size=18,
        outliers=False,
        ticks=False,
        box={"fillOpacity": 0.25, "strokeOpacity": 0},
        median={"color": GRAY, "strokeWidth": 2},
        rule={"color": GRAY},
    ).encode(method_color(results))
    points = runs.mark_point(size=POINT_SIZE, filled=True, opacity=0.75).encode(
        method_color(results, "color"),
        kind_shape(str(row["kind"]) for row in rows),
        offset.scale(domain=[-0.4, 1.4]),
        tooltip=tooltip(),
    )
    means = (
        base.transform_filter("datum.seed == null")
        .mark_point(size=70, color=GRAY, filled=False, strokeWidth=2)
        .encode(
            kind_shape(str(row["kind"]) for row in rows),
            tooltip=[alt.Tooltip("kind:N"), alt.Tooltip("score:Q", format=".1f")],
        )
    )
    size = alt.Step(_BAND)
    return draw_panels(
        *(boxes, points, means),
        rows=rows,
        width=size if is_vertical else panel_width(rows),
        height=220 if is_vertical else size,
        independent="y" if is_vertical else "x",
    )


def mean_rows(results: Sequence[CellResult], labels: Sequence[str], score: Score) -> list[Row]:
    """Return one row per cell with the mean of its runs' scores.

    Args:
        results: Results of cells with runs.
        labels: Parameters that distinguish cells of the same task.
        score: The score to show.
    """
    return [
        {
            **cell_values(result.cell, labels),
            "kind": MEAN,
            "score": describe_scores(scores_of(result, score)).mean,
        }
        for result in results
    ]
