"""Files of figures."""

import pytest

from stablebert.report import extra
from stablebert.report.figures.distribution import DISTRIBUTION
from stablebert.report.figures.draw import Drawings
from stablebert.report.figures.save import delete_stale_figures, save_figures
from stablebert.report.records import ReportError
from tests.helpers.figures import draw_one, make_basis
from tests.helpers.records import make_cell, make_record

NAME = "<b>&\"'\\textbf{x}_*y*|[z](u)$"
"""A method whose name would be markup in HTML, LaTeX, and Markdown."""


@pytest.fixture(scope="module")
def figure():
    cells = [make_cell(method=method, seeds=range(3)) for method in ("standard", NAME)]
    records = [make_record(cell, i, 0.6 + i / 100) for cell in cells for i in range(3)]
    return draw_one(DISTRIBUTION, make_basis(cells, records))


@pytest.mark.parametrize(
    ("format_name", "beginning"), [("svg", b"<svg"), ("pdf", b"%PDF"), ("png", b"\x89PNG")]
)
def test_a_figure_is_written_in_the_format(figure, tmp_path, format_name, beginning):
    (file,) = save_figures([figure], "table1", tmp_path, [format_name])
    assert file == tmp_path / f"table1-distribution.{format_name}"
    assert file.read_bytes().startswith(beginning)


def test_every_format_is_written_by_default(figure, tmp_path):
    files = save_figures([figure], "table1", tmp_path)
    assert {file.suffix for file in files} == {".svg", ".pdf", ".png"}


@pytest.mark.parametrize(
    ("file", "is_stale"),
    [
        ("table1-heat_map.svg", True),
        ("table1-weight_change-rte.pdf", True),
        ("table1-distribution.png", False),  # drawn, if not in this format
        ("table1-cost.csv", False),
        ("table1-mine.svg", False),
        ("table10-heat_map.svg", False),
        ("table1-heat_map.svg.txt", False),
    ],
)
def test_files_of_figures_that_a_report_no_longer_has_are_deleted(figure, tmp_path, file, is_stale):
    (tmp_path / file).touch()
    obstacles = dict.fromkeys(("heat_map", "weight_change", "cost"), "no runs")
    drawings = Drawings(figures={"distribution": [figure]}, obstacles=obstacles)
    delete_stale_figures(drawings, "table1", tmp_path)
    assert (tmp_path / file).exists() is not is_stale


def test_the_folder_is_created(figure, tmp_path):
    (file,) = save_figures([figure], "table1", tmp_path / "new" / "folder", ["svg"])
    assert file.is_file()


def test_names_are_plain_text_in_the_figure(figure, tmp_path):
    from xml.etree import ElementTree

    (file,) = save_figures([figure], "table1", tmp_path, ["svg"])
    texts = [element.text for element in ElementTree.parse(file).iter() if element.text]
    assert NAME in texts


@pytest.mark.parametrize("label", ["RTE", "standard", "test score x 100", "mean"])
def test_the_figure_has_the_label(figure, tmp_path, label):
    (file,) = save_figures([figure], "table1", tmp_path, ["svg"])
    assert f">{label}</text>" in file.read_text()


def test_without_the_extra_the_error_says_how_to_install_it(figure, tmp_path, monkeypatch):
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(ReportError, match=r"vl_convert.*pip install 'stablebert\[report\]'"):
        save_figures([figure], "table1", tmp_path)
