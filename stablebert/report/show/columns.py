"""Text cut, padded and wrapped to a number of columns, also within words and in wide characters.

All texts may come from elsewhere, so characters on which a terminal may act are escaped first.
"""

from stablebert.report.layout import width_of
from stablebert.text import escape_controls

ELLIPSIS = "…"


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return a text cut or padded to a number of columns, on the left or on the right."""
    text = escape_controls(text)
    if width_of(text) > width:
        text = _take(text, max(width - 1, 0)) + ELLIPSIS
    padding = " " * (width - width_of(text))
    return padding + text if right else text + padding


def _take(text: str, width: int) -> str:
    """Return the longest start of a text that takes at most some columns."""
    used = 0
    for i, character in enumerate(text):
        used += width_of(character)
        if used > width:
            return text[:i]
    return text


def wrap(text: str, width: int, *, indent: str = "", most: int | None = None) -> list[str]:
    """Return a text in lines of at most `width` columns.

    Args:
        text: Text; line feeds in it are escaped like other controls.
        width: Columns of a line with its indent, which must leave room for a character.
        indent: Start of all lines but the first.
        most: Greatest number of lines; the last one ends in an ellipsis if there is more.
    """
    lines: list[str] = []
    rest = escape_controls(text)
    while True:
        prefix = indent if lines else ""
        line = _take(rest, width - width_of(prefix))
        if line == rest:
            return [*lines, (prefix + line).rstrip()]
        if len(lines) + 1 == most:
            return [*lines, fit(prefix + rest, width).rstrip()]
        space = line.rfind(" ") if rest[len(line)] != " " else len(line)
        end = space if line[: max(space, 0)].strip() else len(line)
        lines.append(prefix + rest[:end].rstrip())
        rest = rest[end:].lstrip()
