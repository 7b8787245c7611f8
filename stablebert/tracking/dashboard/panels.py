"""The kinds of panels of the dashboard."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from stablebert.tracking.dashboard.chart import CHART_NAME, chart_fields
from stablebert.tracking.dashboard.library import load_reports_api
from stablebert.tracking.mirror import STEP
from stablebert.tracking.workspaces_internals import set_element_id

MAX_RUNS = 1000
"""Maximum number of groups that a panel draws, or of runs if they are not grouped."""


def line_plot(
    title: str,
    *metrics: str,
    regex: str | None = None,
    area: str = "stddev",
    log_x: bool | None = None,
) -> Any:
    """Plot means over seeds against the optimizer step, with a band of one standard deviation.

    Args:
        title: Title of the panel.
        metrics: Names of logged metrics.
        regex: Pattern of metric names, instead of `metrics`.
        area: Kind of band; `samples` draws every run instead.
        log_x: Use a logarithmic x axis, to show the first steps.
    """
    return load_reports_api().LinePlot(
        title=title,
        x=STEP,
        y=list(metrics),
        metric_regex=regex,
        title_x="optimizer step",
        log_x=log_x,
        groupby_aggfunc="mean",
        groupby_rangefunc=area,
        max_runs_to_show=MAX_RUNS,
        # By default W&B keeps the last point of each bucket of the axis and draws bands over the
        # bucket. Sampling keeps 1,500 points, far more than a run logs.
        point_visualization_method="sampling",
    )


def bar_plot(title: str, metric: str) -> Any:
    """Plot means over seeds of a number in the summary, with their standard errors."""
    return load_reports_api().BarPlot(
        title=title,
        metrics=[metric],
        groupby_aggfunc="mean",
        groupby_rangefunc="stderr",
        max_runs_to_show=MAX_RUNS,
        max_bars_to_show=MAX_RUNS,
    )


def score_distribution(entity: str, title: str, score: str) -> Any:
    """Plot the distribution of a score in the summary; W&B draws at most 500 runs."""
    fields = chart_fields(score)
    return load_reports_api().CustomChart(
        query={"summary": {"keys": list(fields.values())}},
        chart_name=f"{entity}/{CHART_NAME}",
        chart_fields=fields,
        chart_strings={"title": title},
    )


def text_panel(markdown: str) -> Any:
    """Show a text in Markdown."""
    return load_reports_api().MarkdownPanel(markdown=markdown)


def arrange_in_rows(panels: Sequence[Any]) -> None:
    """Lay panels out in rows of three, over the 24 columns of a report."""
    layout = load_reports_api().Layout
    for i, panel in enumerate(panels):
        panel.layout = layout(x=8 * (i % 3), y=8 * (i // 3), w=8, h=8)


def assign_ids(panels: Sequence[Any], section: str) -> None:
    """Give the panels of a section ids that depend on the section and their position only."""
    for i, panel in enumerate(panels):
        set_element_id(panel, stable_id(section, i))


def stable_id(*parts: object) -> str:
    """Return an id of 12 hex digits that depends on the parts only."""
    return sha256(repr(parts).encode()).hexdigest()[:12]
