"""Views as pages: their numbers, escapes, and what a browser makes of them."""

import json
import sys

import numpy as np
import pytest

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
from stablebert.report.show.page import MAX_LENGTH, view_html, write_view
from tests.helpers.browser import axe_findings, start_browser
from tests.helpers.pages import PageContent

HOSTILE = "</script><img src=x onerror=alert(1)> & {{ 7 * 7 }} \x1b[31m"


def make_view(text="text"):
    """Return a view with one block of each kind, in which a text is everywhere."""
    x, y = np.array([1.0, 5.0]), np.array([0.25, 0.75])
    panels = [
        Panel(title=text, x_title="optimizer step", lines=[Line(name=text, x=x, y=y)]),
        Panel(
            title=text,
            x_title=text,
            lines=[Line(name="A", x=x[:1], y=y[:1]), Line(name="B", x=x[:1] - 1, y=y[:1])],
            names=[text, "pooler"],
        ),
    ]
    row = DataRow(facts={"row": "1", "label": text}, texts={"sentence1": text})
    return View(
        title=text,
        blocks=[
            Facts(texts={text: text}),
            Quote(title=text, text=text),
            Panels(panels=panels),
            Table(title=text, head=[text], rows=[[Entry(text=text)]], labels=1),
            DataRows(title=text, rows=[row], note=text),
        ],
        notes=[text],
    )


def data_of(html, key):
    """Return the JSON in the element of a page with a given id."""
    start = html.index(">", html.index(f'id="{key}"')) + 1
    return json.loads(html[start : html.index("</script>", start)])


@pytest.fixture(scope="module")
def page():
    """Page of a view with plain texts."""
    return view_html(make_view("some text"))


def test_points_of_panels_are_in_the_page(page):
    rows = data_of(page, "figure-1-spec")["datasets"]["rows"]
    assert rows["size"] == 2
    assert (rows["columns"]["x"], rows["columns"]["y"]) == ([1.0, 5.0], [0.25, 0.75])


def test_positions_with_names_are_named(page):
    rows = data_of(page, "figure-2-spec")["datasets"]["rows"]
    assert rows["columns"]["x"] == {"texts": ["pooler", "some text"], "at": [0, 1]}


def test_captions_say_where_lines_have_their_ends(page):
    assert "some text: 0.25 (step 1) to 0.75 (step 5)." in page
    assert "A: 0.25. B: 0.25." in page


def test_rows_of_the_data_are_a_table_with_their_texts(page):
    csv = data_of(page, "copies")["table-4"]["csv"]
    assert csv == "row,label,sentence1\n1,some text,some text\n"


def test_a_very_long_text_is_cut():
    row = DataRow(facts={"row": "1"}, texts={"sentence": "x" * 10**6})
    html = view_html(View(title="x", blocks=[DataRows(title="x", rows=[row])]))
    assert "x" * MAX_LENGTH in html
    assert "x" * (MAX_LENGTH + 1) not in html


def test_hostile_texts_appear_as_text():
    html = view_html(make_view(HOSTILE))
    assert "<img src=x" not in html
    assert "\x1b" not in html
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; {{ 7 * 7 }}" in html


def test_a_page_needs_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ReportError, match=r"pip install 'stablebert\[report\]'"):
        write_view(make_view(), tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


def test_ids_are_unique(page):
    ids = [a["id"] for _, a in PageContent(page).elements if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.fixture(scope="module")
def browser():
    with start_browser() as browser:
        yield browser


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("text", ["some text", HOSTILE])
def test_a_browser_draws_the_page_without_errors_or_requests(browser, text, width, tmp_path):
    path = tmp_path / "show.html"
    write_view(make_view(text), path)
    browser.open(path, width=width)
    browser.draw_all()
    page_width, window_width = browser.evaluate(
        "return [document.documentElement.scrollWidth, innerWidth];"
    )
    assert page_width <= window_width
    assert browser.errors() == []
    assert browser.requests() == [path.as_uri()]


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_accessible(browser, dark, tmp_path):
    path = tmp_path / "show.html"
    write_view(make_view("some text"), path)
    browser.open(path, dark=dark)
    browser.draw_all()
    assert axe_findings(browser) == []
