"""Plain text, Markdown, and LaTeX of a document by hand."""

import pytest

from stablebert.report.columns import width_of
from stablebert.report.render import (
    Document,
    Entry,
    Table,
    render_latex,
    render_markdown,
    render_text,
    save_document,
)
from tests.helpers.latex import compile_latex

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
        "task          a_b",
        "-----------------",
        "x          1 ± 2*",
        "      failed 1/2",
        "yy             -",
        *("", "5 % of it"),
    ]


def test_wide_characters_in_plain_text_are_aligned():
    rows = [[Entry(text="情感"), Entry(text="1")], [Entry(text="abcd"), Entry(text="2")]]
    table = Table(title="T", head=["task", "a"], rows=rows, labels=1)
    lines = render_text(Document(title="name", tables=[table], caption=[])).splitlines()
    assert [width_of(line) for line in lines[3:7]] == [7] * 4


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
        r"x & \textbf{1 $\pm$ 2} \\",
        r" & {\scriptsize failed 1/2} \\",
        r"5 \% of it\par",
    ],
)
def test_latex_has_the_line(line):
    assert line in render_latex(DOCUMENT).splitlines()


def render_latex_entry(text):
    table = Table(title="T", head=["a"], rows=[[Entry(text=text)]], labels=1)
    lines = render_latex(Document(title="name", tables=[table], caption=[])).splitlines()
    return lines[lines.index(r"\midrule") + 1].removesuffix(r" \\")


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("-1.5 [-2, 3]", "$-$1.5 [$-$2, 3]"),
        ("1e-05, 0-9", "1e-05, 0-9"),
        ("--margin", "{-}{-}margin"),
        ("[1]", "{[}1]"),
        ("*", "{*}"),
        ("a|b", r"a\textbar{}b"),
        ("é 中", r"é \textbackslash{}u4e2d"),
        ("my_model&50%#{x}~^\\", r"my\_model\&50\%\#\{x\}\textasciitilde{}\textasciicircum{}"
         r"\textbackslash{}"),
    ],
)  # fmt: skip
def test_an_entry_is_not_markup_in_latex(text, latex):
    assert render_latex_entry(text) == latex


def test_the_head_of_a_column_has_a_line_per_part_in_latex():
    table = Table(title="T", head=["task", "paper (RTE, large)"], rows=[], labels=1)
    text = render_latex(Document(title="name", tables=[table], caption=[]))
    assert r"task & \shortstack[r]{\strut paper\\(RTE,\\large)} \\" in text


LATEX_NAMES = ["my_model&50%#{x}~^\\", "[x]", "*", "---", "a|b`c`<d>", "é\u4e2d\u2028", "$x$"]


@pytest.mark.slow
@pytest.mark.parametrize("place", [r"\input{x}", r"\begin{table}\input{x}\end{table}"])
def test_names_with_latex_markup_compile(tmp_path, place):
    rows = [[Entry(text=x), Entry(text=x, marked=True, notes=(x, x))] for x in LATEX_NAMES]
    tables = [Table(title=x, head=[x, f"x, {x} ({x})"], rows=rows, labels=1) for x in LATEX_NAMES]
    document = Document(title=LATEX_NAMES[0], tables=tables, caption=LATEX_NAMES)
    (tmp_path / "x.tex").write_text(render_latex(document), encoding="utf-8")
    output = compile_latex(tmp_path, place)
    assert "Missing character" not in output


@pytest.mark.slow
def test_a_wide_table_fits_into_a_line(tmp_path):
    table = Table(title="T", head=["long name " * 9] * 9, rows=[[Entry(text="x")] * 9], labels=1)
    text = render_latex(Document(title="name", tables=[table], caption=["word " * 99]))
    (tmp_path / "x.tex").write_text(text)
    assert "Overfull" not in compile_latex(tmp_path, r"\input{x}")


@pytest.mark.parametrize("render", [render_text, render_markdown, render_latex])
def test_no_name_controls_a_terminal_or_breaks_a_line(render):
    entry = Entry(text="\x1b]0;title\x07", notes=("a\nb",))
    table = Table(title="T", head=["a", "b"], rows=[[Entry(text="x"), entry]], labels=1)
    document = Document(title="name", tables=[table], caption=["device: \x1b[2J\r\nx"])
    assert all(char.isprintable() or char == "\n" for char in render(document))
    lines = render(Document(title="name", tables=[TABLE], caption=["device: x"])).count("\n")
    assert render(document).count("\n") <= lines


@pytest.mark.parametrize(
    ("name", "markdown"),
    [
        ("a|b", r"a\|b"),
        ("*a*", r"\*a\*"),
        ("_a_b_", r"\_a_b\_"),
        ("`a`", r"\`a\`"),
        ("<img src=x>", r"\<img src=x>"),
        ("[a](http://b)", r"[a\](http://b)"),
        ("&lt;", r"\&lt;"),
        ("a\\b", r"a\\b"),
    ],
)
def test_a_name_is_not_markup_in_markdown(name, markdown):
    table = Table(title="T", head=["a"], rows=[[Entry(text=name)]], labels=1)
    text = render_markdown(Document(title="name", tables=[table], caption=[f"device: {name}"]))
    assert f"\n| {markdown} |\n" in text
    assert text.endswith(f"\n* device: {markdown}\n")


@pytest.mark.parametrize(
    "text", ["bias_correction", "71.4 [70.1, 72.3]", "p < .05", "<.001", "R&D x"]
)
def test_ordinary_text_is_unchanged_in_markdown(text):
    assert f"* {text}\n" in render_markdown(Document(title="name", tables=[], caption=[text]))


@pytest.mark.parametrize(
    ("line", "markdown"),
    [
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("12. a", r"12\. a"),
        (">a", r"\>a"),
        ("~~a~~", r"\~\~a\~\~"),
        ("$a$", r"\$a\$"),
        ("-1 a", "-1 a"),
        ("12.5 a", "12.5 a"),
    ],
)
def test_a_line_of_the_caption_is_not_markup_in_markdown(line, markdown):
    text = render_markdown(Document(title="name", tables=[], caption=[line]))
    assert text.endswith(f"\n* {markdown}\n")


@pytest.mark.parametrize("render", [render_text, render_markdown, render_latex])
def test_no_title_controls_a_terminal_or_breaks_a_line(render):
    hostile = "x\x1b[2J\n\\input{secret}\u2028"
    table = Table(title=hostile, head=["a"], rows=[[Entry(text="x")]], labels=1)
    text = render(Document(title=hostile, tables=[table], caption=[]))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert not [line for line in text.splitlines() if line.startswith("\\input")]


def test_a_title_is_not_markup_in_markdown():
    table = Table(title="a|*b*", head=["a"], rows=[[Entry(text="x")]], labels=1)
    text = render_markdown(Document(title="`a`", tables=[table], caption=[]))
    assert text.startswith("# \\`a\\`\n\n**a\\|\\*b\\***\n")


def test_a_document_is_saved_under_its_title(tmp_path):
    save_document(DOCUMENT, tmp_path / "deep")
    assert sorted(f.name for f in (tmp_path / "deep").iterdir()) == ["name.md", "name.tex"]
