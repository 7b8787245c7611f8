"""Tables fitted to the width of a terminal."""

from collections.abc import Iterable, Sequence

from stablebert.report.columns import shorten, width_of
from stablebert.report.render import Table
from stablebert.text import escape_controls

NARROWEST = 40
"""Width below which nothing is fitted any more."""
_READABLE, _SHORTEST = 20, 8
"""Widths below which a name is not shortened: to keep a table in one part, and to fit at all."""


def fit_table(table: Table, width: int) -> str:
    """Render a table whose lines fit into a width: in several parts where one is too wide.

    Each part has the columns that name a row. Of these, the widest are shortened if they leave no
    room for the others.
    """
    lines = [[*table.head], *_lines(table)]
    columns = [[escape_controls(line[i]) for line in lines] for i in range(len(table.head))]
    labels, numbers = columns[: table.labels], columns[table.labels :]
    room = width - sum(_column_width(column) + _GAP for column in numbers) - _GAP * len(labels)
    shortened = _shorten_labels(labels, room + _GAP, shortest=_READABLE)
    if sum(map(_column_width, shortened)) <= room + _GAP:
        labels = shortened
    else:
        widest = max(map(_column_width, numbers), default=0)
        labels = _shorten_labels(labels, width - widest - _GAP * len(labels), shortest=_SHORTEST)
    parts = _parts(numbers, width - sum(map(_column_width, labels)) - len(labels) * _GAP)
    texts = [_render_columns([*labels, *part], len(labels)) for part in parts or [[]]]
    return "\n\n".join(texts)


_GAP = 2


def _lines(table: Table) -> Iterable[list[str]]:
    """Yield the lines of a table's body: a row, and its notes below it."""
    suffix = " " if any(entry.marked for row in table.rows for entry in row) else ""
    for row in table.rows:
        yield [
            entry.text + ("*" if entry.marked else suffix if i >= table.labels else "")
            for i, entry in enumerate(row)
        ]
        for depth in range(max(len(entry.notes) for entry in row)):
            notes = [entry.notes[depth] if depth < len(entry.notes) else "" for entry in row]
            yield [note + suffix if note else "" for note in notes]


def _column_width(column: Sequence[str]) -> int:
    return max(map(width_of, column))


def _shorten_labels(labels: list[list[str]], room: int, *, shortest: int) -> list[list[str]]:
    """Shorten the widest columns until all fit into a room, or none is wide any more."""
    widths = [_column_width(column) for column in labels]
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
        needed = _column_width(column) + _GAP
        if not parts or used + needed > room + _GAP:
            parts.append([])
            used = 0
        parts[-1].append(column)
        used += needed
    return parts


def _render_columns(columns: Sequence[Sequence[str]], labels: int) -> str:
    """Render columns below their heads, with a rule between; labels are flush left."""
    widths = [_column_width(column) for column in columns]
    lines = []
    for texts in zip(*columns, strict=True):
        cells = []
        for i, (text, width) in enumerate(zip(texts, widths, strict=True)):
            padding = " " * (width - width_of(text))
            cells.append(text + padding if i < labels else padding + text)
        lines.append((" " * _GAP).join(cells).rstrip())
    rule = "-" * (sum(widths) + _GAP * (len(widths) - 1))
    return "\n".join([lines[0], rule, *lines[1:]])
