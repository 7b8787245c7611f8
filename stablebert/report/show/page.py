"""A view as a page: one file that needs no network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stablebert.report.figures.base import Figure
from stablebert.report.files import save_text
from stablebert.report.page.content import PageBuilder
from stablebert.report.page.environment import check_packages, render_page
from stablebert.report.render import Entry, Table
from stablebert.report.show.blocks import Block, DataRows, Facts, Line, Panel, Panels, View

MAX_LENGTH = 1000
"""Characters of a row's text."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A block of a view in the form that the template takes."""

    kind: str
    """`facts`, `table`, `figures` or `quote`."""
    item: Any


def write_view(view: View, path: Path) -> None:
    """Write a view as a page.

    Args:
        view: The view.
        path: The file.

    Raises:
        ReportError: If the extra `report` is not installed.
    """
    save_text(path, view_html(view))


def view_html(view: View) -> str:
    """Return a view as the text of a page.

    Raises:
        ReportError: If the extra `report` is not installed.
    """
    check_packages()
    builder = PageBuilder({})
    parts = [_part(block, builder) for block in view.blocks]
    reasons = [block.note for block in view.blocks if isinstance(block, DataRows) and block.note]
    return render_page(
        "show.html.jinja",
        title=view.title,
        context={"parts": parts, "notes": [*reasons, *view.notes]},
        data=builder.data,
    )


def _part(block: Block, builder: PageBuilder) -> _Part:
    if isinstance(block, DataRows):
        return _part(_tabulate(block), builder)
    if isinstance(block, Table):
        return _Part(kind="table", item=builder.add_tables([block])[0])
    if isinstance(block, Panels):
        figures = [builder.add_figure(_draw(panel)) for panel in block.panels]
        return _Part(kind="figures", item=figures)
    return _Part(kind="facts" if isinstance(block, Facts) else "quote", item=block)


def _tabulate(block: DataRows) -> Table:
    """Return rows of the data as a table, with a column for each of their texts."""
    rows = [{**row.facts, **row.texts} for row in block.rows]
    head = list(dict.fromkeys(name for row in rows for name in row))
    entries = [[Entry(text=_cut(row.get(name, ""))) for name in head] for row in rows]
    return Table(title=block.title, head=head, rows=entries, labels=len(head))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"


def _draw(panel: Panel) -> Figure:
    """Return a panel as an interactive figure."""
    import altair as alt

    from stablebert.report.figures.style import BLUE, CONFIG, ORANGE

    names = [line.name for line in panel.lines]
    x = (
        alt.X("x:N", title=panel.x_title, sort=list(panel.names))
        if panel.names
        else alt.X("x:Q", title=panel.x_title, scale=alt.Scale(zero=False))
    )
    color = alt.Color(
        "line:N",
        title=None,
        sort=names,
        scale=alt.Scale(domain=names, range=[BLUE, ORANGE]),
        legend=alt.Legend() if len(names) > 1 else None,
    )
    chart = (
        alt.Chart(alt.NamedData("rows"))
        .mark_line(point=True)
        .encode(
            x=x,
            y=alt.Y("y:Q", title=panel.title, scale=alt.Scale(zero=False)),
            color=color,
            tooltip=[
                alt.Tooltip("line:N", title="line"),
                alt.Tooltip("x", title=panel.x_title, type="nominal"),
                alt.Tooltip("y:Q", title=panel.title, format=".4~g"),
            ],
        )
        .properties(width="container", height=180)
    )
    specification = {
        **chart.to_dict(),
        "config": dict(CONFIG),
        "datasets": {"rows": _rows(panel)},
    }
    return Figure(
        name=panel.title, title=panel.title, caption=_caption(panel), specification=specification
    )


def _rows(panel: Panel) -> list[dict[str, object]]:
    return [
        {"line": line.name, "x": panel.names[int(x)] if panel.names else x, "y": y}
        for line in panel.lines
        for x, y in zip(line.x.tolist(), line.y.tolist(), strict=True)
    ]


def _caption(panel: Panel) -> str:
    """Return the lowest and the highest value of each line, and where they are."""
    return " ".join(_describe(panel, line) for line in panel.lines)


def _describe(panel: Panel, line: Line) -> str:
    low, high = line.y.argmin(), line.y.argmax()
    if line.y[low] == line.y[high]:
        return f"{line.name}: {line.y[low]:.4g}."
    return (
        f"{line.name}: {line.y[low]:.4g} ({_place(panel, line.x[low])}) to "
        f"{line.y[high]:.4g} ({_place(panel, line.x[high])})."
    )


def _place(panel: Panel, x: float) -> str:
    return panel.names[int(x)] if panel.names else f"step {x:.0f}"
