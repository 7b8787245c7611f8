"""The page as a file; tests/report/page/test_browser.py opens it."""

import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from stablebert.report.everything import AbsentItem
from stablebert.report.figures.base import Figure
from stablebert.report.figures.draw import Drawings
from stablebert.report.items import ITEMS
from stablebert.report.page.content import PageBuilder
from stablebert.report.page.write import page_html, write_page
from tests.helpers.pages import (
    HOSTILE,
    SCORES,
    PageContent,
    make_collection,
    make_hostile_collection,
    unpack_rows,
)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return page_html(make_collection(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def page(html):
    return PageContent(html)


def test_the_page_shows_the_scores(page):
    assert "67.4 ± 3.6" in page.text
    assert "73.0 ± 1.6" in page.text


def test_the_page_lists_every_run_once(page):
    runs = unpack_rows(page.data["run-data"])
    scores = sorted(100 * score for values in SCORES.values() for score in values)
    assert sorted(run["test"] for run in runs) == pytest.approx(scores)


def test_a_run_with_a_history_has_curves(page):
    curves = [own for own in page.data["curve-data"]["runs"] if own]
    assert [set(own) for own in curves] == [{"val/score", "train/loss"}]


def test_every_figure_has_a_specification_and_a_caption(page):
    holders = [a for tag, a in page.elements if "data-spec" in a]
    captions = {a["id"] for tag, a in page.elements if tag == "figcaption"}
    assert holders
    assert {a["data-spec"] for a in holders} <= page.data.keys()
    assert {a["aria-labelledby"] for a in holders} == captions


def test_the_numbers_of_a_figure_are_those_of_the_records(page):
    spec = next(x for key, x in page.data.items() if key.endswith("-spec"))
    rows = [row for x in spec["datasets"].values() for row in unpack_rows(x) if row.get("seed")]
    scores = sorted(100 * score for values in SCORES.values() for score in values)
    assert sorted(row["score"] for row in rows) == pytest.approx(scores)


def test_everything_that_can_be_copied_has_a_button(page):
    buttons = {a["data-copy"] for tag, a in page.elements if "data-copy" in a}
    assert buttons == page.data["copies"].keys()


def test_ids_are_unique(page):
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_headings_leave_out_no_level(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_the_page_refers_to_no_other_file(page):
    sources = [a[key] for _, a in page.elements for key in ("src", "href", "srcset") if key in a]
    assert [x for x in sources if not x.startswith(("#", "data:,"))] == []


def test_the_policy_has_the_digests_of_the_scripts(html):
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digests = {base64.b64encode(hashlib.sha256(x.encode()).digest()).decode() for x in scripts}
    assert len(digests) == 2
    assert set(re.findall(r"sha256-([\w+/=]+)", html.partition("<title>")[0])) == digests


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    collection = make_hostile_collection(tmp_path_factory.mktemp("runs"))
    return PageContent(page_html(collection, commands=[f"stablebert '{HOSTILE}'"]))


def test_hostile_names_add_no_element(hostile_page, page):
    tags = {tag for tag, _ in hostile_page.elements}
    assert not tags & {"img", "i", "b"}
    assert "onerror" not in {key for _, a in hostile_page.elements for key in a}


def test_hostile_names_add_no_script(hostile_page, page):
    def count_scripts(content):
        return sum(tag == "script" and "type" not in a for tag, a in content.elements)

    assert count_scripts(hostile_page) == count_scripts(page) == 2


@pytest.mark.parametrize("name", [HOSTILE, "<i>sweep</i>", "<b>m</b>"])
def test_hostile_names_appear_as_text(hostile_page, name):
    assert name in hostile_page.text


def test_hostile_names_are_escaped_in_latex(hostile_page):
    latex = "".join(x.get("latex", "") for x in hostile_page.data["copies"].values())
    assert r"$<$b$>$m$<$/b$>$" in latex
    assert "<b>" not in re.sub("^%.*$", "", latex, flags=re.MULTILINE)


def test_control_characters_are_escaped(tmp_path):
    content = PageContent(page_html(make_collection(tmp_path, model="a\x1b[31m\u202eb")))
    assert r"a\x1b[31m\u202eb" in content.text


def test_items_that_one_command_trains_are_named_together(tmp_path):
    absent = [
        AbsentItem(item=ITEMS[name], command="stablebert grid x") for name in ("fig15", "fig16")
    ]
    collection = replace(make_collection(tmp_path), absent=absent)
    assert (
        "Figure 15, Figure 16 no runs stablebert grid x" in PageContent(page_html(collection)).text
    )


def test_figures_of_an_absent_item_are_shown_with_the_report_that_has_its_runs(tmp_path):
    collection = make_collection(tmp_path)
    (name,) = collection.reports
    item = AbsentItem(item=ITEMS["fig4"], shown_in=[name], command="stablebert grid x")
    text = PageContent(page_html(replace(collection, absent=[item]))).text
    assert "in the paper: Table 1, Figure 6, Figure 4 (in part)" in text
    assert f"Figure 4 no runs except those in the report on {name} stablebert grid x" in text


def test_a_section_has_the_title_of_an_item_on_all_tasks(tmp_path):
    collection = make_collection(tmp_path, name="reinit_depth")
    headings = re.findall(r'<h2 id="sweep-\d+">(.*?)</h2>', page_html(collection))
    assert headings == ["Depth of Re-init on all tasks"]


def test_further_figures_of_a_kind_are_counted(tmp_path):
    ((name, report),) = make_collection(tmp_path).reports.items()
    figure = Figure(name="x", title="Times", caption="", specification={})
    drawings = Drawings(figures={"cost": [figure, figure], "noise": [figure]}, obstacles={})
    section = PageBuilder({name: report}).add_sweep(report, drawings)
    assert section.more_titles == ["Times (and 1 more)", "Times"]


def test_damaged_histories_are_named(tmp_path):
    root = tmp_path / "runs"
    collection = make_collection(root)
    file = next(root.rglob("history.jsonl"))
    file.write_text("{")
    text = PageContent(page_html(collection)).text
    assert f"histories: {file}: line 1 is damaged" in text
    assert "histories: without a valid history next to them: 20 of 20 records" in text


def test_a_running_grid_reloads_its_page(tmp_path):
    path = tmp_path / "report.html"
    write_page(make_collection(tmp_path / "runs"), path, is_running=True)
    assert any(a.get("id") == "reload" for _, a in PageContent(path.read_text()).elements)


def test_a_finished_page_does_not_reload_itself(page):
    assert not any(a.get("id") == "reload" for _, a in page.elements)


def test_a_thousand_runs_take_less_than_five_megabytes(tmp_path):
    scores = {
        (task, method): [round(0.5 + 0.37 * i / 125 % 0.4, 5) for i in range(125)]
        for task in ("rte", "mrpc", "stsb", "cola")
        for method in ("standard", "reinit")
    }
    assert len(page_html(make_collection(tmp_path, scores)).encode()) < 5_000_000
