"""Plain text, Markdown, and LaTeX of a document by hand."""

import pytest

from stablebert.report.render import (
    Document,
    Entry,
    Table,
    render_latex,
    render_markdown,
    render_text,
    save_document,
)

MARKED = Entry(text="1 ± 2", marked=True, notes=("failed 1/2",))
TABLE = Table(
    title="T",
    head=["task", "a_b"],
    rows=[[Entry(text="x"), MARKED], [Entry(text="yy"), Entry()]],
    labels=1,
)
DOCUMENT = Document(title="name", tables=[TABLE], caption=["5 % of it"])


def test_plain_text():
    assert render_text(DOCUMENT).splitlines() == [
        *("name", "", "T"),
        "task         a_b",
        "-----------------",
        "x          1 ± 2*",
        "      failed 1/2",
        "yy             -",
        *("", "5 % of it"),
    ]


def test_markdown():
    assert render_markdown(DOCUMENT) == (
        "# name\n\n**T**\n\n| task | a_b |\n| :-- | --: |\n| x | **1 ± 2**<br>failed 1/2 |\n"
        "| yy | - |\n\n* 5 % of it\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        r"\begin{tabular}{lr}",
        r"task & a\_b \\",
        r"x & \textbf{1 $\pm$ 2} {\scriptsize failed 1/2} \\",
        r"5 \% of it ",
    ],
)
def test_latex_has_the_line(line):
    assert line in render_latex(DOCUMENT).splitlines()


def test_a_document_is_saved_under_its_title(tmp_path):
    save_document(DOCUMENT, tmp_path / "deep")
    assert sorted(f.name for f in (tmp_path / "deep").iterdir()) == ["name.md", "name.tex"]
