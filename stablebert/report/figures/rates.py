"""Validation scores against the learning rate, per method."""

from collections.abc import Sequence

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.analyses.rates import RATE, RATES, Tuning, rate_of, tunings_of
from stablebert.report.cells import task_title
from stablebert.report.figures.base import Figure, FigureKind, Specification
from stablebert.report.figures.captions import compose_caption, describe_runs, failed_runs
from stablebert.report.figures.points import (
    FAILED_RUN,
    SCORE_TITLES,
    kind_shape,
    run_rows,
    tooltip,
)
from stablebert.report.figures.series import series_encodings, too_many_lines
from stablebert.report.figures.style import (
    POINT_SIZE,
    Row,
    draw_panels,
    panel_width,
)
from stablebert.report.sentences import row_name
from stablebert.report.statistics.scores import describe_scores

_DODGE = 1.05
"""Factor between the positions of two methods at the same rate."""


def _labels(basis: Basis) -> list[str]:
    return [label for label in basis.labels if label != RATE]


def _obstacle(basis: Basis) -> str:
    if reason := RATES.obstacle(basis):
        return reason
    return too_many_lines([tuning.best for tuning in tunings_of(basis)], _labels(basis))


def _draw(basis: Basis) -> Sequence[Figure]:
    tunings, labels = tunings_of(basis), _labels(basis)
    results = [result for tuning in tunings for result in tuning.results]
    return [
        Figure(
            name="rates",
            title="Validation scores by learning rate",
            caption=compose_caption(
                "Best validation score of every run, and their means as lines, against the "
                "learning rate (log scale; methods side by side). A ring marks each method's best "
                "mean.",
                describe_runs(results),
                _describe_best(tunings, labels),
                failed_runs(results, basis.labels),
            ),
            specification=_specification(tunings, labels),
        )
    ]


def _specification(tunings: Sequence[Tuning], labels: Sequence[str]) -> Specification:
    names = list(dict.fromkeys(row_name(tuning.best.cell, labels) for tuning in tunings))
    rows = []
    for tuning in tunings:
        offset = names.index(row_name(tuning.best.cell, labels)) - (len(names) - 1) / 2
        rows += _rows(tuning, labels, _DODGE**offset)
    rates = sorted({rate_of(result.cell) for tuning in tunings for result in tuning.results})
    axis = alt.Axis(values=rates, format="~e", labelAngle=-45, grid=False)
    base = alt.Chart().encode(
        alt.X(
            "position:Q", title="learning rate", axis=axis, scale=alt.Scale(type="log", nice=False)
        ),
        alt.Y("score:Q", title=SCORE_TITLES["val"], scale=alt.Scale(zero=False)),
        alt.Detail("row:N"),
        *series_encodings([tuning.best for tuning in tunings], labels),
    )
    rate = alt.Tooltip("rate:Q", title="learning rate", format="~g")
    means = base.transform_filter("datum.kind === 'mean'")
    fields = [alt.Tooltip("row:N", title="cell"), rate, alt.Tooltip("score:Q", format=".1f")]
    return draw_panels(
        means.mark_line(strokeWidth=2),
        base.transform_filter("datum.kind !== 'mean'")
        .mark_point(size=POINT_SIZE, filled=True, opacity=0.6)
        .encode(kind_shape(["run", FAILED_RUN]), tooltip=tooltip(rate)),
        means.transform_filter("datum.best")
        .mark_point(size=180, strokeWidth=2)
        .encode(tooltip=fields),
        rows=rows,
        width=panel_width(rows),
        height=200,
        independent="y",
    )


def _rows(tuning: Tuning, labels: Sequence[str], factor: float) -> list[Row]:
    """Return one row per run and per mean; `position` is the rate times a factor."""
    rows: list[Row] = []
    for result in tuning.results:
        rate = rate_of(result.cell)
        place = {"rate": rate, "position": rate * factor}
        runs = run_rows([result], labels, "val")
        mean = {
            **{key: runs[0][key] for key in ("task", "row", "method", "variant")},
            "kind": "mean",
            "score": describe_scores(result.val).mean,
            "best": rate == tuning.curve.best,
        }
        rows += [{**row, **place} for row in (*runs, mean)]
    return rows


def _describe_best(tunings: Sequence[Tuning], labels: Sequence[str]) -> str:
    texts = []
    for tuning in tunings:
        cell, edge = tuning.best.cell, ", at the edge of the grid" * tuning.curve.best_is_at_edge
        texts.append(
            f"{row_name(cell, labels)} on {task_title(cell.task, cell.scale)} "
            f"{tuning.curve.best:g} ({describe_scores(tuning.best.val).mean:.1f}{edge})"
        )
    return f"Best rates: {'; '.join(texts)}."


RATES_KIND = FigureKind(
    name="rates",
    summary="validation score of every run against the learning rate",
    items=(),
    obstacle=_obstacle,
    draw=_draw,
)
