"""A view as text that fits a terminal."""

from collections.abc import Mapping

from stablebert.report.columns import fit, width_of, wrap_lines
from stablebert.report.layout import NARROWEST, fit_table
from stablebert.report.render import Table
from stablebert.report.show.blocks import Block, DataRow, DataRows, Facts, Panels, Quote, View
from stablebert.report.show.plots import draw_panel

TWO_PANELS = 90
"""Columns from which two panels are next to each other."""
TEXT_LINES = 3
"""Greatest number of lines of a row's text."""


def render_view(view: View, *, width: int, color: bool, ascii_only: bool = False) -> str:
    """Render a view.

    Args:
        view: The view.
        width: Columns of the terminal; fewer than 40 count as 40.
        color: Whether to color the plots.
        ascii_only: Whether to draw the plots with ASCII characters only.

    Raises:
        ReportError: If there are plots and plotext is not installed.
    """
    width = max(width, NARROWEST)
    parts = [wrap_lines(view.title, width)]
    for block in view.blocks:
        if isinstance(block, Panels):
            parts += _panels(block, width, color=color, ascii_only=ascii_only)
        else:
            parts.append(_lines(block, width))
    if view.notes:
        parts.append([x for n in view.notes for x in wrap_lines(f"* {n}", width, indent="  ")])
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _lines(block: Block, width: int) -> list[str]:
    """Return the lines of a block that is not a plot."""
    match block:
        case Facts():
            return _facts(block.texts, width)
        case Table():
            return [*wrap_lines(block.title, width), fit_table(block, width)]
        case DataRows():
            rows = [line for row in block.rows for line in _data_row(row, width)]
            return [
                *wrap_lines(block.title, width),
                *rows,
                *(wrap_lines(block.note, width) if block.note else []),
            ]
        case Quote():
            texts = [
                wrap_lines(f"    {x}", width, indent="      ") for x in block.text.splitlines()
            ]
            return [*wrap_lines(block.title, width), *(line for lines in texts for line in lines)]
        case _:
            raise TypeError(type(block).__name__)


def _facts(texts: Mapping[str, str], width: int) -> list[str]:
    size = min(max(map(width_of, texts)), width * 3 // 5)
    lines = []
    for name, text in texts.items():
        names = [fit(name, size)]
        for line in wrap_lines(text, width - size - 2):
            lines.append(f"{names.pop() if names else ' ' * size}  {line}".rstrip())
    return lines


def _data_row(row: DataRow, width: int) -> list[str]:
    facts = ", ".join(f"{name} {text}" for name, text in row.facts.items())
    lines = wrap_lines(f"  {facts}", width, indent="    ")
    for name, text in row.texts.items():
        lines += wrap_lines(f"    {name}: {text}", width, indent="      ", most=TEXT_LINES)
    return lines


def _panels(block: Panels, width: int, *, color: bool, ascii_only: bool) -> list[list[str]]:
    """Return the lines of panels, two of them side by side if there is room."""
    columns = 2 if width >= TWO_PANELS else 1
    size = (width - 2 * (columns - 1)) // columns
    drawn = [draw_panel(p, size, color=color, ascii_only=ascii_only) for p in block.panels]
    rows = [drawn[i : i + columns] for i in range(0, len(drawn), columns)]
    return [["  ".join(lines).rstrip() for lines in zip(*row, strict=True)] for row in rows]
