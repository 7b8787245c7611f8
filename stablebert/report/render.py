"""A document of tables, and its rendering as plain text, Markdown, and LaTeX."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stablebert.report.files import save_text
from stablebert.text import escape_controls

_LATEX = {"±": r"$\pm$", "Δ": r"$\Delta$", "<": "$<$", ">": "$>$"}
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {sign: rf"\{sign}" for sign in "_%#&${}"}


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
    parts += [f"{escape_controls(t.title)}\n{_text_table(t)}" for t in document.tables]
    caption = [escape_controls(line) for line in document.caption]
    return "\n\n".join([*parts, "\n".join(caption)]) + "\n"


def _text_table(table: Table) -> str:
    lines: list[Sequence[str]] = [table.head]
    for row in table.rows:
        lines.append([f"{e.text}{'*' if e.marked else ' '}" for e in row])
        for depth in range(max(len(e.notes) for e in row)):
            lines.append([f"{e.notes[depth]} " if depth < len(e.notes) else "" for e in row])
    lines[0] = [f"{name} " for name in table.head]
    lines = [[escape_controls(text) for text in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    output = [
        " ".join(
            f"{text:{'<' if i < table.labels else '>'}{width}}"
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    output.insert(1, "-" * max(map(len, output)))
    return "\n".join(output)


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
    r"""Render one `tabular` per table, to be input inside a `table`; needs `booktabs`."""
    parts = [f"% {escape_controls(document.title)}", *map(render_latex_table, document.tables)]
    parts.append(r"\par\footnotesize" + "\n" + "\n".join(f"{_latex(x)} " for x in document.caption))
    return "\n\n".join(parts) + "\n"


def render_latex_table(table: Table) -> str:
    """Render a table as a `tabular`, with its title as a comment; needs `booktabs`."""
    columns = "l" * table.labels + "r" * (len(table.head) - table.labels)
    body = [" & ".join(_latex_entry(entry) for entry in row) + r" \\" for row in table.rows]
    head = " & ".join(map(_latex, table.head)) + r" \\"
    begin = rf"\begin{{tabular}}{{{columns}}}"
    top = [f"% {escape_controls(table.title)}", begin, r"\toprule", head, r"\midrule"]
    return "\n".join([*top, *body, r"\bottomrule", r"\end{tabular}"])


def _latex(text: str) -> str:
    signs = r"[\\~^_%#&${}±Δ<>]"
    return re.sub(signs, lambda sign: _LATEX[sign[0]], escape_controls(text))


def _latex_entry(entry: Entry) -> str:
    text = rf"\textbf{{{_latex(entry.text)}}}" if entry.marked else _latex(entry.text)
    return " ".join([text, *(rf"{{\scriptsize {_latex(note)}}}" for note in entry.notes)])
