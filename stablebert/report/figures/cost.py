"""Time until a run reaches a score, and scores against the time of a run."""

from collections.abc import Sequence

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.analyses.cost import CONFIDENCE, COST, CellCost, costs_of
from stablebert.report.cells import task_title
from stablebert.report.figures.base import Figure, FigureKind, Specification
from stablebert.report.figures.captions import compose_caption, describe_runs, name_cell
from stablebert.report.figures.points import SCORE_TITLES, cell_values, method_color
from stablebert.report.figures.style import GRAY, Row, draw_panels, panel_width
from stablebert.report.sentences import row_name
from stablebert.report.statistics.scores import describe_scores
from stablebert.text import count_of

_MOST_NAMES = 4
"""Maximum number of cells that a caption names."""


def _draw(basis: Basis) -> Sequence[Figure]:
    costs, labels = costs_of(basis), basis.labels
    runs = describe_runs([cost.result for cost in costs])
    rows = [_row(cost, labels) for cost in costs]
    return [
        Figure(
            name="cost",
            title="Time until a run reaches the target",
            caption=compose_caption(
                "Minutes of training, one run after the other, until a run has the target's "
                f"validation score with a probability of {CONFIDENCE:.0%}, with a 95% interval "
                "(open to the right if too few runs reach the target).",
                _describe_targets(costs, labels),
                runs,
                _unreached(costs, labels),
            ),
            specification=_time_to_target(rows, costs),
        ),
        Figure(
            name="cost-score",
            title="Test score and duration of a run",
            caption=compose_caption(
                "Mean test score of each cell against the mean duration of its runs.",
                runs,
                _describe_times(costs, labels),
            ),
            specification=_score_by_time(rows, costs),
        ),
    ]


def _row(cost: CellCost, labels: Sequence[str]) -> Row:
    hours = cost.cost.hours
    return {
        **cell_values(cost.result.cell, labels),
        "minutes": round(60 * hours.value, 6),
        "low": round(60 * hours.low, 6),
        "high": round(60 * hours.high, 6),
        "reached": f"{cost.cost.successes} of {count_of(cost.cost.n, 'run')}",
        "target": round(cost.target.value, 4),
        "seconds": round(cost.seconds, 4),
        "score": round(describe_scores(cost.result.test).mean, 4),
    }


def _time_to_target(rows: Sequence[Row], costs: Sequence[CellCost]) -> Specification:
    order = list(dict.fromkeys(str(row["row"]) for row in rows))
    positive = all(row["low"] != 0 for row in rows)
    scale = alt.Scale(type="log" if positive else "symlog")
    axis = alt.Axis(grid=False, labelOverlap="greedy")
    x = alt.X("minutes:Q", title="minutes until the target", scale=scale, axis=axis)
    base = alt.Chart().encode(
        alt.Y("row:N", sort=order, title=None),
        method_color([cost.result for cost in costs]),
        tooltip=[
            alt.Tooltip("row:N", title="cell"),
            alt.Tooltip("minutes:Q", format=".2f"),
            alt.Tooltip("low:Q", format=".2f"),
            alt.Tooltip("high:Q", format=".2f"),
            alt.Tooltip("target:Q", format=".1f"),
            alt.Tooltip("reached:N"),
        ],
    )
    reached = base.transform_filter("datum.minutes != null")
    return draw_panels(
        reached.transform_filter("datum.high != null")
        .mark_rule(strokeWidth=2)
        .encode(alt.X("low:Q"), alt.X2("high:Q")),
        reached.transform_filter("datum.high == null")
        .mark_rule(strokeWidth=2, strokeDash=[3, 3])
        .encode(alt.X("low:Q"), x2=alt.value("width")),
        reached.mark_point(size=70, filled=True, opacity=1).encode(x),
        base.transform_filter("datum.minutes == null")
        .mark_text(align="left", dx=6, color=GRAY)
        .encode(x=alt.value(0), text=alt.value("not reached")),
        rows=rows,
        width=panel_width(rows),
        height=alt.Step(26),
        independent="x",
    )


def _score_by_time(rows: Sequence[Row], costs: Sequence[CellCost]) -> Specification:
    variants = list(dict.fromkeys(str(row["variant"]) for row in rows))
    color = method_color([cost.result for cost in costs], legend=True)
    legend = alt.Legend(symbolFillColor=GRAY)
    shape = alt.Shape("variant:N", sort=variants, title=None, legend=legend)
    points = (
        alt.Chart()
        .mark_point(size=70, filled=True, opacity=0.9)
        .encode(
            alt.X("seconds:Q", title="seconds per run", scale=alt.Scale(zero=False, padding=10)),
            alt.Y("score:Q", title=SCORE_TITLES["test"], scale=alt.Scale(zero=False, padding=10)),
            color,
            *([shape] if len(variants) > 1 else []),
            tooltip=[
                alt.Tooltip("row:N", title="cell"),
                alt.Tooltip("score:Q", title="mean test score", format=".1f"),
                alt.Tooltip("seconds:Q", title="seconds per run", format=".1f"),
            ],
        )
    )
    return draw_panels(points, rows=rows, width=panel_width(rows), height=150, independent="xy")


def _describe_targets(costs: Sequence[CellCost], labels: Sequence[str]) -> str:
    """Return the target of each task, and the cell whose mean it is."""
    targets = {}
    for cost in costs:
        cell, best = cost.result.cell, cost.target.best
        origin = f", the mean of {row_name(best.cell, labels)}" if best else ""
        targets[task_title(cell.task, cell.scale)] = f"{cost.target.value:.1f}{origin}"
    return f"Targets: {'; '.join(f'{task} {text}' for task, text in targets.items())}."


def _unreached(costs: Sequence[CellCost], labels: Sequence[str]) -> str:
    names = [name_cell(c.result.cell, labels) for c in costs if not c.cost.successes]
    if not names:
        return ""
    if len(names) > _MOST_NAMES:
        return f"No run reaches the target in {len(names)} of {len(costs)} cells."
    return f"No run reaches the target with {', '.join(names)}."


def _describe_times(costs: Sequence[CellCost], labels: Sequence[str]) -> str:
    slow, fast = (choose(costs, key=lambda cost: cost.seconds) for choose in (max, min))
    devices = dict.fromkeys(record.device for cost in costs for record in cost.result.records)
    comparable = "" if len(devices) == 1 else " Times are not comparable: devices differ."
    return (
        f"A run takes from {fast.seconds:.1f} s ({name_cell(fast.result.cell, labels)}) to "
        f"{slow.seconds:.1f} s ({name_cell(slow.result.cell, labels)}).{comparable}"
    )


COST_KIND = FigureKind(
    name="cost",
    summary="time until a run reaches the target, and scores against the duration of a run",
    items=(),
    obstacle=COST.obstacle,
    draw=_draw,
)
