import pytest

from stablebert.tracking.dashboard import DashboardError
from stablebert.tracking.dashboard.selection import (
    describe_runs,
    parse_project,
    parse_sweep_id,
    run_filter,
)


def test_a_project_is_split_into_entity_and_project():
    assert parse_project("ent/proj") == ("ent", "proj")


@pytest.mark.parametrize("path", ["proj", "ent/proj/sweep", "e t/proj", "/proj"])
def test_other_paths_of_projects_are_refused(path):
    with pytest.raises(DashboardError, match=f"^{path}: expected ENTITY/PROJECT$"):
        parse_project(path)


@pytest.mark.parametrize("path", ["v3x", "ent/proj/v3x"])
def test_a_sweep_is_given_by_its_id_or_its_path(path):
    assert parse_sweep_id(path) == "v3x"


@pytest.mark.parametrize("path", ["v-v", "proj/v3x"])
def test_other_paths_of_sweeps_are_refused(path):
    with pytest.raises(DashboardError, match=f"^--sweep {path}: expected a sweep's id"):
        parse_sweep_id(path)


def test_without_a_selection_all_runs_are_shown():
    assert run_filter() == ""


def test_a_sweep_replaces_the_selection_by_table():
    assert run_filter(table="table1", sweep="v3x") == "Sweep in ['v3x']"


@pytest.mark.parametrize(
    ("table", "sweep", "sentence"),
    [
        ("table1", "v3x", "Runs of the sweep v3x."),
        ("table1", None, "Runs tagged table1."),
        ("table3", None, "Runs of its tasks and methods."),
    ],
)
def test_a_report_says_which_runs_it_shows(table, sweep, sentence):
    assert describe_runs(table, sweep) == sentence
