"""The cells that a sweep expects."""

from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from stablebert.config.compose import compose
from stablebert.config.identity import config_id
from stablebert.config.sweep import read_sweep
from stablebert.report import expected
from stablebert.report.expected import check_folders, possible_cells, read_sweep_records
from stablebert.report.records import ReportError
from stablebert.runs.identities import ContentError
from stablebert.runs.run import Run
from tests.helpers.records import make_cell, make_record, store_record

DATA, MODEL = "sha256:0123", "org/bert@c0ffee"


@pytest.fixture
def sweep(tmp_path):
    """Table 1 on RTE, with records of its data and model but without these themselves."""
    record = make_record(make_cell(), data=DATA, model=MODEL)
    store_record(tmp_path / "runs", record)
    overrides = ["task=rte", "scale=mini", "seed=0..2", f"paths.runs={tmp_path / 'runs'}"]
    return read_sweep("table1").narrow([*overrides, "data.source=/absent", "model.name=org/bert"])


def test_a_cell_is_a_combination_of_parameters_without_the_seed(sweep):
    cells = read_sweep_records(sweep).cells
    assert sorted((c.method, c.length) for c in cells) == [
        ("reinit", "3epochs"),
        ("reinit", "longer"),
        ("standard", "3epochs"),
        ("standard", "longer"),
    ]


def test_a_cell_has_the_seeds_of_the_sweep(sweep):
    assert {c.seeds for c in read_sweep_records(sweep).cells} == {((0, 0), (1, 1), (2, 2))}


def test_a_cell_has_every_pair_of_seeds(sweep):
    grid = sweep.narrow(["seed=0", "seed_init=0,1", "seed_data=4..6"])
    assert {c.seeds for c in read_sweep_records(grid).cells} == {tuple(product((0, 1), (4, 5, 6)))}


def test_a_cell_keeps_its_parameters_without_the_seed(sweep):
    first = read_sweep_records(sweep).cells[0]
    assert (first.params["task"], "seed" in first.params) == ("rte", False)


def test_a_cell_has_the_config_id_of_its_runs(sweep):
    overrides = ["scale=mini", "task=rte", "data.source=/absent", "model.name=org/bert"]
    expected = config_id(compose(overrides), data=DATA, model=MODEL)
    assert expected in [c.config_id for c in read_sweep_records(sweep).cells]


def test_records_are_read_from_the_folder_of_the_sweep(sweep):
    assert [r.seed for r in read_sweep_records(sweep).records] == [0]


def test_records_are_read_from_further_folders(sweep, tmp_path):
    store_record(tmp_path / "committed", make_record(make_cell(), 1, data=DATA, model=MODEL))
    assert [r.seed for r in read_sweep_records(sweep, tmp_path / "committed").records] == [0, 1]


def test_a_folder_of_runs_that_does_not_exist_is_refused(sweep, tmp_path):
    absent = tmp_path / "absent"
    with pytest.raises(ReportError, match=f"paths.runs={absent}: not a folder"):
        read_sweep_records(sweep.narrow([f"paths.runs={absent}"]))


def test_the_default_folder_of_runs_need_not_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_folders([Path("runs")])


def test_unreadable_files_are_noted_after_assumptions(sweep, tmp_path):
    torn = tmp_path / "runs" / "result.json"
    torn.write_text("{")
    data, model, skipped = read_sweep_records(sweep).notes
    assert (DATA in data, MODEL in model) == (True, True)
    assert skipped.startswith(f"skipped: {torn}: ")


def test_a_cell_says_among_how_many_values_its_own_was_selected(sweep, monkeypatch):
    monkeypatch.setattr(expected, "count_compared_values", lambda cfg, seeds, explicit: 6)
    assert {c.settings for c in read_sweep_records(sweep).cells} == {6}


# ---------------------------------------------------------------- possible cells


def identify(cfg):
    """Return a run, and none for CoLA, whose data no record names."""
    if cfg.task == "cola":
        raise ContentError("no record names its data")
    return Run(cfg, f"{cfg.task}-{cfg.method}-{cfg.length}", Path())


def possible(*overrides):
    cells = possible_cells(read_sweep("table1").narrow(overrides), SimpleNamespace(run=identify))
    return [(cell.task, cell.length) for cell in cells]


def test_a_combination_that_is_invalid_is_not_possible():
    overrides = ("scale=demo", "task=rte,rte_1k", "method=standard", "seed=0")
    assert possible(*overrides) == [("rte", "3epochs"), ("rte", "longer")]


def test_a_combination_whose_data_is_unknown_is_not_possible():
    overrides = ("task=cola,rte", "method=standard", "length=3epochs", "seed=0,1")
    assert possible(*overrides) == [("rte", "3epochs")]
