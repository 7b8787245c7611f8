"""Lines of figures: their colors and dashes."""

from collections import Counter
from collections.abc import Mapping, Sequence

import altair as alt

from stablebert.report.cells import parameter_text
from stablebert.report.figures.points import cell_values
from stablebert.report.figures.style import METHOD_COLORS, SPARE_COLORS, method_colors
from stablebert.report.join import CellResult

MOST_LINES = 8
"""Maximum number of lines of a panel that a reader can tell apart."""
MOST_DASHES = 2
"""Maximum number of dashes that a reader can tell apart in a small panel."""
LINE_LEGEND = alt.Legend(symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1)


def series_encodings(
    results: Sequence[CellResult], labels: Sequence[str]
) -> list[alt.Color | alt.StrokeDash]:
    """Return the encodings of lines, one per row of the report.

    Lines have the color of their method and, if these are the same in several rows, a dash for the
    other parameters. With a single method, or more dashes than `MOST_DASHES`, each row has a color
    of its own; a method with one row keeps its color.

    Args:
        results: Results of the cells to show.
        labels: Parameters that distinguish cells of the same task.
    """
    values = [cell_values(result.cell, labels) for result in results]
    methods, rows, variants = (
        list(dict.fromkeys(value[key] for value in values)) for key in ("method", "row", "variant")
    )
    if len(rows) > 1 and (len(methods) == 1 or len(variants) > MOST_DASHES):
        colors = _row_colors({value["row"]: value["method"] for value in values})
        scale = alt.Scale(domain=rows, range=[colors[row] for row in rows])
        return [alt.Color("row:N", scale=scale, title=None, legend=LINE_LEGEND)]
    by_method = method_colors(methods)
    scale = alt.Scale(domain=list(by_method), range=list(by_method.values()))
    encodings: list[alt.Color | alt.StrokeDash] = [
        alt.Color("method:N", scale=scale, title=None, legend=LINE_LEGEND)
    ]
    if len(variants) > 1:
        encodings.append(alt.StrokeDash("variant:N", sort=variants, title=None, legend=LINE_LEGEND))
    return encodings


def _row_colors(methods: Mapping[str, str]) -> dict[str, str]:
    """Return the color of each row, given its method."""
    counts = Counter(methods.values())
    own = {
        row: METHOD_COLORS[method]
        for row, method in methods.items()
        if counts[method] == 1 and method in METHOD_COLORS
    }
    others = [row for row in methods if row not in own]
    return own | {row: SPARE_COLORS[i % len(SPARE_COLORS)] for i, row in enumerate(others)}


def too_many_lines(results: Sequence[CellResult], labels: Sequence[str]) -> str:
    """Return why a report has too many rows for a figure with one line per row, empty if not."""
    rows = {cell_values(result.cell, labels)["row"] for result in results}
    if len(rows) <= MOST_LINES:
        return ""
    return (
        f"needs at most {MOST_LINES} rows per task, but the report has {len(rows)}; select some "
        f"with arguments such as {_example(results, labels)}"
    )


def _example(results: Sequence[CellResult], labels: Sequence[str]) -> str:
    return f"{labels[0]}={parameter_text(results[0].cell, labels[0])}"
