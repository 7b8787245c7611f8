"""Text cut, padded, and wrapped to a number of columns of a terminal, also in wide characters.

All texts may come from elsewhere, so characters on which a terminal may act are escaped first.
"""

import unicodedata

from stablebert.text import escape_controls

ELLIPSIS = "…"


def width_of(text: str) -> int:
    """Return the number of columns that a text takes in a terminal."""
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, width: int) -> str:
    """Replace the middle of a text that is wider than a number of columns by an ellipsis."""
    if width_of(text) <= width:
        return text
    head, tail = _take(text, width // 2), _take(text[::-1], width - width // 2 - 1)[::-1]
    return f"{head}{ELLIPSIS}{tail}"


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return a text cut or padded to a number of columns, on the left or on the right."""
    text = escape_controls(text)
    if width_of(text) > width:
        text = _take(text, max(width - 1, 0)) + ELLIPSIS
    padding = " " * (width - width_of(text))
    return padding + text if right else text + padding


def _take(text: str, width: int) -> str:
    """Return the longest beginning of a text that fits."""
    used = 0
    for i, character in enumerate(text):
        used += _width(character)
        if used > width:
            return text[:i]
    return text


def wrap(text: str, width: int) -> str:
    """Break a text into lines, and indent all but the first.

    Args:
        text: The text; its line feeds count as spaces.
        width: Width of the lines. A longer word, such as a path, has a line of its own.
    """
    words = " ".join(escape_controls(text, keep="\n").split())
    return "\n".join(wrap_lines(words, width, indent="  ", break_words=False))


def wrap_lines(
    text: str, width: int, *, indent: str = "", most: int | None = None, break_words: bool = True
) -> list[str]:
    """Return a text in lines of at most `width` columns.

    Args:
        text: Text; line feeds in it are escaped like other controls.
        width: Columns of a line with its indent, which must leave room for a character.
        indent: Start of all lines but the first.
        most: Greatest number of lines; the last one ends in an ellipsis if there is more.
        break_words: Whether a word that is wider than a line is broken.
    """
    lines: list[str] = []
    rest = escape_controls(text)
    while True:
        prefix = indent if lines else ""
        line = _take(rest, width - width_of(prefix))
        if line != rest and not break_words and " " not in rest[: len(line) + 1]:
            line = rest.partition(" ")[0]
        if line == rest:
            return [*lines, (prefix + line).rstrip()]
        if len(lines) + 1 == most:
            return [*lines, fit(prefix + rest, width).rstrip()]
        space = line.rfind(" ") if rest[len(line)] != " " else len(line)
        end = space if line[: max(space, 0)].strip() else len(line)
        lines.append(prefix + rest[:end].rstrip())
        rest = rest[end:].lstrip()
