"""Tables fitted to the width of a terminal."""

from collections.abc import Sequence

from stablebert.report.columns import shorten
from stablebert.report.render import GAP, Table, column_width, render_columns, text_columns

NARROWEST = 40
"""Width below which nothing is fitted any more."""
_READABLE, _SHORTEST = 20, 8
"""Widths below which a name is not shortened: to keep a table in one part, and to fit at all."""


def fit_table(table: Table, width: int) -> str:
    """Render a table whose lines fit into a width: in several parts where one is too wide.

    Each part has the columns that name a row. Of these, the widest are shortened if they leave no
    room for the others.
    """
    columns = text_columns(table)
    labels, numbers = columns[: table.labels], columns[table.labels :]
    room = width - sum(column_width(column) + GAP for column in numbers) - GAP * len(labels)
    shortened = _shorten_labels(labels, room + GAP, shortest=_READABLE)
    if sum(map(column_width, shortened)) <= room + GAP:
        labels = shortened
    else:
        widest = max(map(column_width, numbers), default=0)
        labels = _shorten_labels(labels, width - widest - GAP * len(labels), shortest=_SHORTEST)
    parts = _parts(numbers, width - sum(map(column_width, labels)) - len(labels) * GAP)
    texts = [render_columns([*labels, *part], len(labels)) for part in parts or [[]]]
    return "\n\n".join(texts)


def _shorten_labels(labels: list[list[str]], room: int, *, shortest: int) -> list[list[str]]:
    """Shorten the widest columns until all fit into a room, or none is wide any more."""
    widths = [column_width(column) for column in labels]
    while sum(widths) > room and max(widths, default=0) > shortest:
        widths[widths.index(max(widths))] -= 1
    return [
        [shorten(text, width) for text in column]
        for column, width in zip(labels, widths, strict=True)
    ]


def _parts(columns: Sequence[list[str]], room: int) -> list[list[list[str]]]:
    """Group columns so that each group fits into a room, or is a single column."""
    parts: list[list[list[str]]] = []
    used = 0
    for column in columns:
        needed = column_width(column) + GAP
        if not parts or used + needed > room + GAP:
            parts.append([])
            used = 0
        parts[-1].append(column)
        used += needed
    return parts
