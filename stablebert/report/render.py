"""A document of tables, and its rendering as plain text, Markdown, and LaTeX."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stablebert.report.columns import width_of
from stablebert.report.files import save_text
from stablebert.text import escape_controls

_LATEX = {"±": r"$\pm$", "Δ": r"$\Delta$", "<": "$<$", ">": "$>$"}
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {sign: rf"\{sign}" for sign in "_%#&${}"}
_LATEX |= {"-": "$-$", "|": r"\textbar{}", "`": r"\`{}"}
_LATEX_MARKUP = r"[\\~^_%#&${}±Δ<>|`]|--+|(?<!\w)-(?=\.?\d)|^[\[*]"
"""Markup and ligatures; a bracket or `*` could belong to the command before an entry."""
_LATEX_UNSET = r"[^\x20-\x7eÀ-ÖØ-öø-ÿ±Δ]|[ÐÞðþ]"
"""Signs that pdfTeX cannot typeset without further packages."""
GAP = 2
"""Spaces between the columns of plain text."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a table."""

    text: str = "-"
    marked: bool = False
    """True for an entry shown in bold, or with `*` in plain text."""
    notes: tuple[str, ...] = ()
    """Short remarks below the text."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of entries under a head."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Entry]]
    labels: int
    """Number of leading columns that name a row; the others hold numbers."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """Tables of equal standing, and the lines that must be read with them."""

    title: str
    tables: Sequence[Table]
    caption: Sequence[str]


def save_document(document: Document, folder: Path, *, appendices: Sequence[Document] = ()) -> None:
    """Write a document as `<title>.md` and `<title>.tex`; only the former has the appendices."""
    texts = map(render_markdown, [document, *appendices])
    save_text(folder / f"{document.title}.md", "\n".join(texts))
    save_text(folder / f"{document.title}.tex", render_latex(document))


def render_text(document: Document) -> str:
    """Render a document for a terminal, without color or markup."""
    parts = [escape_controls(document.title)]
    parts += [
        f"{escape_controls(t.title)}\n{render_columns(text_columns(t), t.labels)}"
        for t in document.tables
    ]
    caption = [escape_controls(line) for line in document.caption]
    return "\n\n".join([*parts, "\n".join(caption)]) + "\n"


def text_columns(table: Table) -> list[list[str]]:
    """Return the columns of a table as plain text: each a head, and the lines below it."""
    lines = [[*table.head], *_lines(table)]
    return [[escape_controls(line[i]) for line in lines] for i in range(len(table.head))]


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


def column_width(column: Sequence[str]) -> int:
    """Return the width of the widest text of a column in a terminal."""
    return max(map(width_of, column))


def render_columns(columns: Sequence[Sequence[str]], labels: int) -> str:
    """Render columns below their heads, with a rule between; labels are flush left."""
    widths = [column_width(column) for column in columns]
    lines = []
    for texts in zip(*columns, strict=True):
        cells = []
        for i, (text, width) in enumerate(zip(texts, widths, strict=True)):
            padding = " " * (width - width_of(text))
            cells.append(text + padding if i < labels else padding + text)
        lines.append((" " * GAP).join(cells).rstrip())
    rule = "-" * (sum(widths) + GAP * (len(widths) - 1))
    return "\n".join([lines[0], rule, *lines[1:]])


def render_markdown(document: Document) -> str:
    """Render a document as GitHub-flavored Markdown, with the caption as a list."""
    parts = [f"# {_markdown(document.title)}"]
    parts += [f"**{_markdown(t.title)}**\n\n{render_markdown_table(t)}" for t in document.tables]
    parts.append("\n".join(f"* {_markdown_item(line)}" for line in document.caption))
    return "\n\n".join(parts) + "\n"


def render_markdown_table(table: Table) -> str:
    """Render a table without its title as GitHub-flavored Markdown."""
    rule = [":--" if i < table.labels else "--:" for i in range(len(table.head))]
    head = [_markdown(name) for name in table.head]
    body = [[_markdown_entry(entry) for entry in row] for row in table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *body))


def _markdown(text: str) -> str:
    """Escape signs that would be markup where they stand; `a_b`, `[1, 2]` and `p < .05` stay."""
    markup = r"[\\`*|~$]|(?<!\w)_|_(?!\w)|<(?=[a-zA-Z/!?])|&(?=#?\w+;)|\](?=[(\[:])"
    return re.sub(markup, lambda sign: f"\\{sign[0]}", escape_controls(text))


def _markdown_item(text: str) -> str:
    """Escape a line of a list, which could also begin another list, a heading or a quotation."""
    return re.sub(r"^(#*|\d*)(?=>|[#+.)-]\s)", r"\1\\", _markdown(text))


def _markdown_entry(entry: Entry) -> str:
    text = _markdown(entry.text)
    return "<br>".join([f"**{text}**" if entry.marked else text, *map(_markdown, entry.notes)])


def render_latex(document: Document) -> str:
    r"""Render a document to be input where text is allowed; needs `booktabs` and `graphicx`."""
    parts = [f"% {escape_controls(document.title)}"]
    for table in document.tables:
        title = rf"\noindent\textbf{{{_latex(table.title)}}}\par\nopagebreak\smallskip\noindent"
        parts.append(f"{title}\n{render_latex_table(table)}\n\\par\\bigskip")
    begin = r"{\footnotesize\raggedright\setlength{\parindent}{0pt}"
    parts.append("\n".join([begin, *(rf"{_latex(line)}\par" for line in document.caption), "}"]))
    return "\n\n".join(parts) + "\n"


def render_latex_table(table: Table) -> str:
    """Render a table as a `tabular` not wider than a line, with its title as a comment.

    It needs `booktabs` and `graphicx`.
    """
    columns = "l" * table.labels + "r" * (len(table.head) - table.labels)
    body = [line for row in table.rows for line in _latex_lines(row)]
    head = " & ".join(
        _latex_head(name, "l" if i < table.labels else "r") for i, name in enumerate(table.head)
    )
    return "\n".join(
        [
            f"% {escape_controls(table.title)}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            *(r"\toprule", rf"{head} \\", r"\midrule"),
            *body,
            *(r"\bottomrule", r"\end{tabular}}"),
        ]
    )


def _latex_lines(row: Sequence[Entry]) -> list[str]:
    """Return a row, and its notes below it."""
    texts = [_latex(entry.text) for entry in row]
    lines = [[rf"\textbf{{{x}}}" if e.marked else x for e, x in zip(row, texts, strict=True)]]
    for depth in range(max(len(entry.notes) for entry in row)):
        notes = [_latex(entry.notes[depth]) if depth < len(entry.notes) else "" for entry in row]
        lines.append([rf"{{\scriptsize {note}}}" if note else "" for note in notes])
    return [rf"{' & '.join(line)} \\" for line in lines]


def _latex_head(name: str, side: str) -> str:
    """Return the head of a column, with a line for what is in parentheses or follows a comma."""
    first, *others = map(_latex, re.split(r" (?=\()|(?<=,) ", name))
    lines = r"\\".join([rf"\strut {first}", *others])
    return rf"\shortstack[{side}]{{{lines}}}" if others else first


def _latex(text: str) -> str:
    """Return a text that LaTeX typesets as it is; pdfTeX's fonts lack most signs beyond Latin-1."""
    text = re.sub(_LATEX_UNSET, lambda sign: ascii(sign[0])[1:-1], escape_controls(text))
    return re.sub(_LATEX_MARKUP, lambda sign: _LATEX.get(sign[0]) or _group(sign[0]), text)


def _group(text: str) -> str:
    """Return characters in braces, which keep them from being an argument or a ligature."""
    return "".join(f"{{{character}}}" for character in text)
