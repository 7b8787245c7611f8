"""Views as text: their width, color, and texts that a terminal would act on."""

import re
import sys

import numpy as np
import pytest

from stablebert.report.columns import width_of
from stablebert.report.records import ReportError
from stablebert.report.render import Entry, Table
from stablebert.report.show.blocks import (
    DataRow,
    DataRows,
    Facts,
    Line,
    Panel,
    Panels,
    Quote,
    View,
)
from stablebert.report.show.plots import HEIGHT, draw_panel
from stablebert.report.show.terminal import render_view

HOSTILE = [
    "\x1b[2J\x07",
    "a\nb\r\tc",
    "<script>",
    "日本語" * 40,
    "x" * 500,
    "\u202e",
    "e\u0301" * 90,
]


def make_panel(n=2, k=20, **changes):
    x = np.arange(1.0, k + 1)
    lines = [Line(name="AB"[i], x=x, y=np.sqrt(x) * (i + 1)) for i in range(n)]
    return Panel(**{"title": "loss", "x_title": "optimizer step", "lines": lines, **changes})


def make_view(text="text", panels=1):
    """Return a view in which a text is everywhere."""
    table = Table(
        title=text,
        head=[text, "A", "B"],
        rows=[[Entry(text=text), Entry(text="1"), Entry(text=text)]],
        labels=3,
    )
    row = DataRow(facts={"row": "1", "label": text}, texts={"sentence1": text})
    blocks = [
        Facts(texts={"name": text, text: "value"}),
        Quote(title=text, text=text),
        Panels(panels=[make_panel(title=text)] * panels),
        table,
        DataRows(title=text, rows=[row], note=text),
    ]
    return View(title=text, blocks=blocks, notes=[text])


@pytest.mark.parametrize("width", [40, 60, 80, 130])
@pytest.mark.parametrize("text", ["text", *HOSTILE])
def test_no_line_is_wider_than_the_terminal(text, width):
    lines = render_view(make_view(text, panels=3), width=width, color=False).splitlines()
    assert max(map(width_of, lines)) <= width


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_terminal_acts_on_is_printed(text):
    output = render_view(make_view(text), width=80, color=False)
    assert all(c.isprintable() for c in output.replace("\n", ""))


def test_a_narrower_terminal_counts_as_40_columns():
    view = make_view()
    narrow, forty = (render_view(view, width=width, color=False) for width in (1, 40))
    assert narrow == forty


def test_every_part_of_a_view_is_printed():
    row = DataRow(facts={"row": "7", "loss": "1.5"}, texts={"sentence": "A cat."})
    view = View(
        title="Title",
        blocks=[Facts(texts={"a": "b"}), DataRows(title="Rows", rows=[row], note="why not")],
        notes=["missing"],
    )
    expected = [
        *["Title", "", "a  b", "", "Rows", "  row 7, loss 1.5", "    sentence: A cat."],
        *["why not", "", "* missing"],
    ]
    assert render_view(view, width=80, color=False).splitlines() == expected


def test_a_table_is_aligned():
    rows = [[Entry(text="a"), Entry(text="1")], [Entry(text="bb"), Entry(text="22")]]
    table = Table(title="Title", head=["", "number"], rows=rows, labels=1)
    lines = render_view(View(title="x", blocks=[table]), width=80, color=False).splitlines()
    assert lines[2:] == ["Title", "    number", "----------", "a        1", "bb      22"]


def test_a_long_text_of_a_row_is_cut_after_three_lines():
    rows = DataRows(title="Rows", rows=[DataRow(facts={"row": "1"}, texts={"s": "word " * 99})])
    lines = render_view(View(title="x", blocks=[rows]), width=60, color=False).splitlines()
    assert len(lines) == 2 + 2 + 3
    assert lines[-1].endswith("…")


# ---------------------------------------------------------------- plots


@pytest.mark.parametrize("color", [False, True])
def test_a_panel_has_ten_lines_of_its_width(color):
    lines = draw_panel(make_panel(), 70, color=color)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert [width_of(line) for line in plain] == [70] * HEIGHT


def test_color_codes_are_only_printed_on_request():
    plain, colored = (render_view(make_view(), width=80, color=c) for c in (False, True))
    assert "\x1b" not in plain
    assert "\x1b[38;5;39m" in colored


def test_two_panels_are_side_by_side_on_a_wide_terminal():
    wide, narrow = (
        render_view(make_view(panels=2), width=width, color=False).count("\n") for width in (90, 89)
    )
    assert wide == narrow - HEIGHT - 1


def test_a_panel_names_its_lines_and_the_ends_of_its_axes():
    title, *plot, _, ticks = draw_panel(make_panel(k=96), 60, color=False)
    assert title.split() == ["loss", "⠒", "A", "▀", "B"]
    assert plot[0].startswith("19.6┤")  # 2 sqrt(96)
    assert plot[-1].lstrip().startswith("1┤")
    assert (ticks.split()[0], ticks.split()[-1]) == ("1", "96")


def test_a_panel_with_one_line_needs_no_legend():
    assert draw_panel(make_panel(n=1), 40, color=False)[0].rstrip() == "loss"


def test_a_panel_names_the_positions_of_its_axis():
    panel = make_panel(k=4, names=["embeddings", "00", "01", "pooler", "classifier"])
    assert "pooler" in draw_panel(panel, 60, color=False)[-1]


def test_a_panel_of_one_point_is_drawn():
    assert len(draw_panel(make_panel(k=1), 40, color=False)) == HEIGHT


def test_a_panel_of_constant_values_is_drawn():
    line = Line(name="A", x=np.array([1.0, 2.0]), y=np.array([0.5, 0.5]))
    assert len(draw_panel(make_panel(lines=[line]), 40, color=False)) == HEIGHT


def test_a_terminal_without_unicode_gets_ascii():
    assert "\n".join(draw_panel(make_panel(), 60, color=False, ascii_only=True)).isascii()


def test_a_plot_is_independent_of_the_one_before():
    first = draw_panel(make_panel(), 60, color=False)
    draw_panel(make_panel(n=1, k=500), 90, color=True)
    assert draw_panel(make_panel(), 60, color=False) == first


def test_plots_need_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotext", None)
    with pytest.raises(ReportError, match=r"pip install 'stablebert\[report\]'"):
        render_view(make_view(), width=80, color=False)


def test_a_run_without_curves_needs_no_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotext", None)
    view = View(title="x", blocks=[Facts(texts={"a": "b"})])
    assert render_view(view, width=80, color=False)
