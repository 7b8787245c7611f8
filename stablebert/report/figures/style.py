"""The look of all figures: colors, shapes, fonts, and sizes.

Specifications hold no color of text or background, so that a page can switch between `LIGHT` and
`DARK`. Marks have colors that are visible on both.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, Literal

import altair as alt

from stablebert.report.figures.base import Specification

Row = Mapping[str, object]
"""A row of a figure's data. Names of its columns are plain: Vega-Lite parses dots and brackets."""

BLUE, ORANGE, GREEN, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#CC79A7"
FAILED = "#D55E00"
"""Color of failed runs; no method has it."""
GRAY = "#808080"
"""Color of what belongs to no method; its contrast with white and with black is the same."""
METHOD_COLORS = {
    "standard": BLUE,
    "bert_adam": ORANGE,
    "reinit": GREEN,
    "adamd": PURPLE,
    "bert_adam_rescaled": SKY,
}
"""Colors that methods have in every figure: those of Okabe and Ito, for all kinds of vision."""
SPARE_COLORS = ("#AA4499", "#999933", "#44AA99", "#CC6677", "#6699CC", "#B8860B", "#A0522D")
"""Colors of other methods, in the order of their appearance (after Paul Tol's "muted")."""

MAX_COLUMNS = 4
"""Maximum number of panels side by side. A page may change a specification's `columns`."""
POINT_SIZE = 28

CONFIG: Mapping[str, Any] = {
    "font": "sans-serif",
    "axis": {
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 0,
        "gridColor": GRAY,
        "gridOpacity": 0.25,
        "domainColor": GRAY,
        "tickColor": GRAY,
    },
    # a label that overlaps the end of its axis would shift the title of the panel
    "axisYQuantitative": {"labelFlush": True},
    "header": {"labelFontSize": 12, "labelFontWeight": "bold", "labelLimit": 0},
    "legend": {
        "orient": "bottom",
        "direction": "horizontal",
        "columns": 4,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 0,
        "symbolLimit": 0,
        "offset": 16,
        "layout": {"expr": "{bottom: {anchor: 'start', direction: 'vertical'}}"},
    },
    "title": {"fontSize": 12},
    "view": {"stroke": None},
}
"""Fonts and sizes of every figure, as a Vega-Lite configuration."""


def _colors(text: str, background: str) -> dict[str, Any]:
    names = {"labelColor": text, "titleColor": text}
    return {
        "background": background,
        "axis": names,
        "header": names,
        "legend": names,
        "title": {"color": text},
        "text": {"color": text},
    }


LIGHT = _colors("#1a1a1a", "white")
"""Colors of text and background in files and on light pages, as a Vega-Lite configuration."""
DARK = _colors("#e6e6e6", "transparent")
"""The same on dark pages, whose own background shows."""


def panel_width(rows: Iterable[Row], field: str = "task") -> int:
    """Return the width of a panel in pixels; one or two panels are wider than more of them."""
    return 190 if len({row[field] for row in rows}) > 2 else 320


_DATA = alt.NamedData("rows")
"""The data of every figure. Altair would check each row against the schema, which takes seconds."""


def draw_panels(
    *layers: alt.Chart,
    rows: Sequence[Row],
    width: int | alt.Step,
    height: int | alt.Step,
    independent: Literal["x", "y", "xy", ""] = "",
    field: str = "task",
    most: int = MAX_COLUMNS,
) -> Specification:
    """Return layers with one panel per task as a Vega-Lite specification with its data.

    Args:
        layers: Contents of a panel, without data. Altair checks them against the schema of
            Vega-Lite.
        rows: Rows of the data: texts, numbers, truth values, and None. Numbers that are not finite
            become None, which is not drawn. Lists stand for one row per element, and take less
            room; shorter lists of a row end with None.
        width: Width of a panel in pixels, or of a category.
        height: Its height.
        independent: Axes that have a scale of their own in each panel.
        field: Column with the titles of the panels.
        most: Most panels side by side; 4 of at most 3 are 2 x 2, not 3 + 1.
    """
    titles = list(dict.fromkeys(str(row[field]) for row in rows))
    n_rows = -(-len(titles) // most)
    facet = alt.Facet(f"{field}:N", title=None, sort=titles)
    chart = alt.LayerChart(data=_DATA, layer=list(layers), width=width, height=height)
    lists: dict[str, object] = {
        name: [] for row in rows for name, value in row.items() if isinstance(value, list)
    }
    if lists:  # for all layers: Vega-Lite cannot compile such a transformation of a single one
        chart = chart.transform_flatten(list(lists))
    facets = (
        chart.facet(facet, columns=-(-len(titles) // n_rows))
        .resolve_scale(
            x="independent" if "x" in independent else "shared",
            y="independent" if "y" in independent else "shared",
        )
        .resolve_axis(x="independent")
    )
    if "y" in independent:  # labels of the axis between the panels must not shift these
        facets = facets.properties(bounds="flush", spacing={"row": 100, "column": 60})
    content: Specification = facets.to_dict()
    data = [{key: _json_value(x) for key, x in {**lists, **row}.items()} for row in rows]
    return {**content, "config": dict(CONFIG), "datasets": {_DATA.name: data}}


def _json_value(value: object) -> object:
    """Return a value that JSON can represent: None for a number that is not finite."""
    if isinstance(value, list):
        return [_json_value(x) for x in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def method_colors(methods: Iterable[str]) -> dict[str, str]:
    """Return the color of each method, in the order of their first appearance."""
    names = list(dict.fromkeys(methods))
    others = [name for name in names if name not in METHOD_COLORS]
    spare = {name: SPARE_COLORS[i % len(SPARE_COLORS)] for i, name in enumerate(others)}
    return {name: METHOD_COLORS.get(name) or spare[name] for name in names}
