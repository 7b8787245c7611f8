"""The figures of a report."""

import re
import subprocess
import sys

import altair as alt
import pytest

from stablebert.report import extra
from stablebert.report.figures.draw import draw_figures
from stablebert.report.figures.registry import FIGURES
from stablebert.report.records import ReportError
from stablebert.report.sweep_report import build_report
from tests.helpers.figures import encodings_of
from tests.helpers.records import make_cell, make_record


@pytest.fixture(scope="module")
def report():
    cells = [make_cell(method=method, seeds=range(5)) for method in ("standard", "reinit")]
    records = [
        make_record(
            cell, i, 0.6 + i / 100 + 0.1 * (cell.method == "reinit"), seconds={"train": 9.0}
        )
        for cell in cells
        for i in range(5)
    ]
    return build_report(cells, records, name="table1")


@pytest.fixture(scope="module")
def drawings(report):
    return draw_figures(report)


def test_a_kind_is_drawn_or_has_an_obstacle(drawings):
    assert drawings.figures.keys() | drawings.obstacles.keys() == FIGURES.keys()
    assert not drawings.figures.keys() & drawings.obstacles.keys()


def test_what_runs_allow_is_drawn(drawings):
    assert {"distribution", "differences", "best_of_k", "cost"} <= drawings.figures.keys()


def test_files_that_lack_what_a_figure_shows_are_an_obstacle(drawings):
    assert drawings.obstacles["convergence"] == (
        "needs histories of runs: without a valid history next to them: 10 of 10 records"
    )


def test_figures_have_different_names(drawings):
    names = [figure.name for figure in drawings.all_figures]
    assert len(names) == len(set(names))


def test_the_name_of_a_figure_begins_with_that_of_its_kind(drawings):
    for kind, figures in drawings.figures.items():
        assert all(re.fullmatch(rf"{kind}(-\w+)*", figure.name) for figure in figures)


def test_specifications_are_valid(drawings):
    for figure in drawings.all_figures:
        alt.Chart.from_dict(figure.specification, validate=True)


def test_columns_that_are_drawn_have_names_without_dots_or_brackets(drawings):
    for figure in drawings.all_figures:
        for channel in ("x", "y", "color", "shape", "tooltip"):
            for encoding in encodings_of(figure.specification, channel):
                fields = encoding if isinstance(encoding, list) else [encoding]
                assert all(re.fullmatch(r"\w*", f.get("field", "")) for f in fields)


def test_screen_readers_find_the_title(drawings):
    for figure in drawings.all_figures:
        assert figure.specification["description"] == figure.title


def test_captions_are_sentences(drawings):
    for figure in drawings.all_figures:
        assert re.fullmatch(r"[A-Z].*\.", figure.caption)


def test_a_report_without_runs_has_obstacles_only():
    drawings = draw_figures(build_report([make_cell()], [], name="table1"))
    assert not drawings.figures
    assert drawings.obstacles.keys() == FIGURES.keys()


def test_every_kind_has_a_summary_and_items_of_its_own():
    items = [item for kind in FIGURES.values() for item in kind.items]
    assert all(kind.summary for kind in FIGURES.values())
    assert len(items) == len(set(items))


def test_without_altair_the_error_says_how_to_install_it(report, monkeypatch):
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(
        ReportError, match=r"Figures need .*altair.*pip install 'stablebert\[report"
    ):
        draw_figures(report)


@pytest.mark.slow
def test_figures_load_altair_only_when_they_are_drawn():
    code = (
        "import sys, stablebert.report.figures.draw, stablebert.report.figures.save; "
        "sys.exit('altair' in sys.modules or 'vl_convert' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
