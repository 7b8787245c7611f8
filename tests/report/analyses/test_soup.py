"""Soups next to the mean run and the best run by validation."""

from dataclasses import replace

import pytest

from stablebert.report.analyses.base import Request
from stablebert.report.sweep_report import write_report
from stablebert.runs.files import cell_folder
from stablebert.runs.soup import soup_file, write_soup
from tests.helpers.analyses import numbers_of
from tests.helpers.records import make_cell, make_record, table_lines
from tests.helpers.soups import make_soup_of

VAL, TEST = (0.60, 0.80, 0.70), (0.66, 0.72, 0.75)


def records_of(cell):
    return [
        make_record(
            cell, seed, val=VAL[seed], score=TEST[seed], predictions_digest=f"digest of seed{seed}"
        )
        for seed in range(3)
    ]


@pytest.fixture
def study(tmp_path):
    """Function that stores a soup of a cell with three runs and returns the printed analysis."""
    cell = make_cell(seeds=range(3))
    names = ("scale", "task", "method", "config_id")
    folder = cell_folder(tmp_path, **{name: getattr(cell, name) for name in names})
    folder.mkdir(parents=True)

    def report(soup, cells=(cell,), records=None):
        if soup:
            write_soup(soup_file(folder, cell.seeds), replace(soup, config_id=cell.config_id))
        return write_report(
            cells,
            records or records_of(cell),
            out=tmp_path / "out",
            name="t",
            request=Request(names=["soup"], roots=[tmp_path / "absent", tmp_path]),
        )

    report.cell = cell
    report.folder = folder
    report.numbers = tmp_path / "out" / "t-soup.csv"
    return report


@pytest.fixture
def soup(study):
    return make_soup_of(study.cell.seeds, uniform=0.5, greedy=0.75)


def test_the_table_has_runs_and_soups(study, soup):
    lines = table_lines(study(soup), "Soups of runs (test score x 100)")
    assert lines == [
        "task n mean run best run uniform soup greedy soup runs in it",
        "RTE 3 71.0 72.0 50.0 75.0 2",  # the best run by validation is not the best one by test
    ]


def test_the_validation_scores_have_a_table(study, soup):
    lines = table_lines(study(soup), "Soups of runs (validation score x 100)")
    assert lines[1] == "RTE 3 70.0 80.0 50.0 75.0 2"


@pytest.mark.parametrize(
    ("quantity", "level", "value"),
    [("mean_run", "test", 71), ("best_run", "test", 72), ("greedy_soup", "test", 75),
     ("uniform_soup", "val", 50), ("greedy_runs", "", 2), ("n", "", 3)],
)  # fmt: skip
def test_the_csv_has_the_number(study, soup, quantity, level, value):
    study(soup)
    (number,) = numbers_of(study.numbers, quantity=quantity, level=level)
    assert number.value == pytest.approx(value)


def test_a_report_without_soups_says_which_command_makes_them(study):
    assert study(None).endswith(
        "soup does not apply: no cell has a soup of all its runs; `stablebert soup SWEEP` computes "
        "them\n"
    )


def test_a_soup_of_earlier_runs_is_not_shown(study, soup):
    records = records_of(study.cell)
    records[1] = replace(records[1], predictions_digest="another")
    text = study(soup, records=records)
    assert "is from earlier runs; `stablebert soup SWEEP` computes it" in text
    assert "Soups of runs (" not in text


def test_a_damaged_soup_is_named(study, soup):
    study(soup)
    file = soup_file(study.folder, study.cell.seeds)
    file.write_text("{")
    assert f"{file}: " in study(None)


def test_cells_without_a_soup_are_counted(study, soup):
    other = make_cell(method="reinit", seeds=range(3))
    text = study(soup, cells=(study.cell, other))
    assert "1 cell without a soup; `stablebert soup SWEEP` computes it" in text
