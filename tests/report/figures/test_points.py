"""Runs as points of figures."""

import pytest

from stablebert.report.figures.points import cell_values, run_rows
from stablebert.report.join import join_records
from tests.helpers.records import make_cell, make_record


def rows(score="test", cell=None, **changes):
    cell = cell or make_cell(seeds=(3, 4))
    records = [make_record(cell, 3, 0.7, val=0.8, **changes), make_record(cell, 4, 0.61, val=0.6)]
    return run_rows(join_records([cell], records).results, ["method"], score)


def test_each_run_is_a_row():
    assert [row["seed"] for row in rows()] == ["3", "4"]


@pytest.mark.parametrize(("score", "expected"), [("test", [70, 61]), ("val", [80, 60])])
def test_scores_are_those_of_the_records(score, expected):
    assert [row["score"] for row in rows(score)] == pytest.approx(expected)


def test_the_folder_is_that_of_the_run():
    assert rows()[0]["folder"] == "mini/rte/standard/rte-standard-3epochs-mini/seed3"


def test_a_pair_of_seeds_is_shown():
    cell = make_cell(seeds=((1, 2),))
    (row,) = run_rows(join_records([cell], [make_record(cell, (1, 2))]).results, [], "test")
    assert (row["seed"], row["folder"].rpartition("/")[2]) == ("1/2", "init1-data2")


def test_failed_runs_are_marked():
    assert [row["kind"] for row in rows(status="failed")] == ["failed run", "run"]


def test_failed_runs_have_a_color_of_their_own():
    assert [row["color"] for row in rows(status="failed")] == ["failed run", "standard"]


def test_runs_are_spread_within_their_box():
    cell = make_cell(seeds=range(50))
    records = [make_record(cell, i) for i in range(50)]
    spread = [r["jitter"] for r in run_rows(join_records([cell], records).results, [], "test")]
    assert len(set(spread)) == 50
    assert 0 <= min(spread) < 0.05 < 0.95 < max(spread) <= 1


def test_a_cell_is_named_by_the_parameters_that_vary():
    cell = make_cell("rte_1k", "reinit", "longer")
    assert cell_values(cell, ["method", "length"]) == {
        "task": "RTE (1k)",
        "row": "reinit longer",
        "method": "reinit",
        "variant": "longer",
    }


def test_characters_that_cannot_be_printed_are_escaped():
    cell = make_cell(method="a\x1b[31mb", seeds=(3, 4))
    values = cell_values(cell, ["method"])
    assert values["row"] == values["method"] == "a\\x1b[31mb"
