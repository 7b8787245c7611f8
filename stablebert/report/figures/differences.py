"""Differences of mean test scores from the baseline, with their intervals (a forest plot)."""

from collections.abc import Sequence

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.analyses.contrasts import lack_of_comparisons
from stablebert.report.cells import Cell
from stablebert.report.compare import Comparison
from stablebert.report.figures.base import Figure, FigureKind, Specification
from stablebert.report.figures.captions import (
    compose_caption,
    describe_runs,
    largest_difference,
)
from stablebert.report.figures.points import cell_values, method_color
from stablebert.report.figures.style import GRAY, Row, draw_panels, panel_width
from stablebert.report.join import CellResult
from stablebert.report.paper import paper_score, reference_model
from stablebert.report.tables import baseline_names, has_paper_layout
from stablebert.text import count_of

OURS, PAPER = "these runs", "paper"


def _draw(basis: Basis) -> Sequence[Figure]:
    comparisons = [(c, result) for c, _, result in basis.comparisons()]
    rows = [row for c, result in comparisons for row in _rows(c, result.cell, basis)]
    baseline = baseline_names(basis.rows)
    compared = {id(c.baseline) for c, _ in comparisons} | {id(r.cell) for _, r in comparisons}
    results = [result for result in basis.results if id(result.cell) in compared]
    return [
        Figure(
            name="differences",
            title=f"Differences of mean test scores from {baseline}",
            caption=compose_caption(
                f"Difference of the mean test score from {baseline} with its 95% interval "
                "(Welch, uncorrected); filled points are significant after Holm's correction.",
                describe_runs(results),
                _count_verdicts([c for c, _ in comparisons]),
                largest_difference(basis.rows, basis.labels),
                _about_the_paper(rows),
            ),
            specification=_specification(rows, [result for _, result in comparisons]),
        )
    ]


def _rows(c: Comparison, cell: Cell, basis: Basis) -> list[Row]:
    """Return the row of a comparison and, if the paper prints both means, that of the paper."""
    values = cell_values(cell, basis.labels)
    ours = {
        **values,
        "source": OURS,
        "difference": round(c.difference.value, 4),
        "low": round(c.difference.low, 4),
        "high": round(c.difference.high, 4),
        "verdict": f"significantly {c.mean_verdict}" if c.mean_verdict else "inconclusive",
        "significant": bool(c.mean_verdict),
    }
    paper = _paper_difference(cell, c.baseline, basis)
    return [ours, *([] if paper is None else [{**values, "source": PAPER, "difference": paper}])]


def _paper_difference(cell: Cell, baseline: Cell, basis: Basis) -> float | None:
    """Return the difference of the means that the paper prints, None if it lacks one."""
    if not has_paper_layout(basis.cells):
        return None
    reference = reference_model(basis.cells)
    number, base = (paper_score(c, table=basis.name, reference=reference) for c in (cell, baseline))
    return round(float(number.value) - float(base.value), 4) if number and base else None


def _specification(rows: Sequence[Row], results: Sequence[CellResult]) -> Specification:
    order = list(dict.fromkeys(str(row["row"]) for row in rows))
    shapes = {OURS: "circle", PAPER: "triangle-up"}
    if not any(row["source"] == PAPER for row in rows):
        del shapes[PAPER]
    source = alt.Shape(
        "source:N",
        scale=alt.Scale(domain=list(shapes), range=list(shapes.values())),
        title=None,
        legend=alt.Legend(symbolFillColor=GRAY),
    )
    fields = [
        alt.Tooltip("row:N", title="cell"),
        alt.Tooltip("difference:Q", format="+.1f"),
        alt.Tooltip("low:Q", format="+.1f"),
        alt.Tooltip("high:Q", format="+.1f"),
        alt.Tooltip("verdict:N"),
    ]
    base = alt.Chart().encode(
        alt.X("difference:Q", title="difference in points"),
        alt.Y("row:N", sort=order, title=None),
    )
    ours = base.transform_filter(f"datum.source === '{OURS}'").encode(method_color(results))
    points = ours.mark_point(size=70, strokeWidth=2).encode(source, tooltip=fields)
    return draw_panels(
        alt.Chart().mark_rule(color=GRAY, strokeDash=[4, 3]).encode(x=alt.datum(0)),
        ours.mark_rule(strokeWidth=2).encode(alt.X("low:Q"), alt.X2("high:Q")),
        points.encode(
            fillOpacity=alt.condition("datum.significant", alt.value(1), alt.value(0)),
            fill=method_color(results),
        ),
        base.transform_filter(f"datum.source === '{PAPER}'")
        .mark_point(size=70, color=GRAY, strokeWidth=2)
        .encode(source, tooltip=[fields[0], alt.Tooltip("source:N"), fields[1]]),
        rows=rows,
        width=panel_width(rows),
        height=alt.Step(26),
        independent="x",
    )


def _count_verdicts(comparisons: Sequence[Comparison]) -> str:
    verdicts = [c.mean_verdict for c in comparisons]
    higher, lower = verdicts.count("higher"), verdicts.count("lower")
    return (
        f"Of {count_of(len(verdicts), 'comparison')}, {higher} significantly higher, {lower} "
        f"significantly lower, {len(verdicts) - higher - lower} inconclusive (which does not mean "
        "equal)."
    )


def _about_the_paper(rows: Sequence[Row]) -> str:
    """Return a sentence on how many of the paper's differences have the same sign as ours."""
    ours, paper = (
        {
            (row["task"], row["row"]): float(str(row["difference"]))
            for row in rows
            if row["source"] == source
        }
        for source in (OURS, PAPER)
    )
    if not paper:
        return ""
    same = sum(ours[key] * value > 0 for key, value in paper.items())
    return (
        "Triangles: differences of the means that the paper prints, which have the same sign in "
        f"{same} of {count_of(len(paper), 'comparison')}."
    )


DIFFERENCES = FigureKind(
    name="differences",
    summary="difference of means from the baseline, with intervals and the paper's difference",
    items=(),
    obstacle=lack_of_comparisons,
    draw=_draw,
)
