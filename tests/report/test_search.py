"""Settings of a table's methods from separate searches."""

from dataclasses import replace

import pytest

from stablebert.cli.main import main
from stablebert.config.identity import config_id
from stablebert.config.sweep import read_sweep
from stablebert.report.search import best_of_search, search_sweeps
from tests.helpers.records import make_cell, make_record, store_record

TABLE = [make_cell(), make_cell(method="llrd"), make_cell(method="mixout")]
SETTINGS = [make_cell(method="llrd", **{"optimizer.lr": lr}) for lr in ("1e-5", "3e-5", "9e-5")]


def runs(cells, means):
    """Two runs per cell, around its mean validation score."""
    return [
        make_record(cell, seed, val=mean + (seed - 0.5) / 50)
        for cell, mean in zip(cells, means, strict=True)
        for seed in (0, 1)
    ]


RECORDS = [*runs(TABLE, [0.9, 0.6, 0.5]), *runs(SETTINGS, [0.5, 0.7, 0.8])]


def test_each_method_gets_its_best_setting_by_validation():
    cells, _ = best_of_search(TABLE, SETTINGS, RECORDS)
    expected = [TABLE[0], SETTINGS[2], TABLE[2]]
    assert [c.config_id for c in cells] == [c.config_id for c in expected]


def test_a_selected_setting_appears_as_the_method_itself():
    cells, _ = best_of_search(TABLE, SETTINGS, RECORDS)
    assert [c.params for c in cells] == [c.params for c in TABLE]


def test_a_selection_is_described():
    assert best_of_search(TABLE, SETTINGS, RECORDS)[1] == [
        "RTE llrd: optimizer.lr=9e-5, mean validation score 80.0, best of 4 settings with all "
        "seeds (4 in total)"
    ]


def test_a_setting_that_lacks_a_seed_takes_no_part():
    cells, (line,) = best_of_search(TABLE, SETTINGS, RECORDS[:-1])
    assert cells[1].config_id == SETTINGS[1].config_id
    assert "best of 3 settings with all seeds (4 in total)" in line


def test_a_setting_whose_seeds_were_pruned_takes_no_part():
    pruned = [
        replace(r, pruned_from=[[0, 0], [1, 1], [2, 2]])
        if r.config_id == SETTINGS[2].config_id
        else r
        for r in RECORDS
    ]
    assert best_of_search(TABLE, SETTINGS, pruned)[0][1].config_id == SETTINGS[1].config_id


def counts(cell):
    return cell.settings, cell.open_settings


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param(RECORDS, (4, 0), id="a finished search"),
        pytest.param(RECORDS[:-1], (4, 1), id="a search that lacks a run"),
        pytest.param(RECORDS[:6], (1, 0), id="no search"),
    ],
)
def test_a_selected_cell_says_what_it_was_selected_from(records, expected):
    cells, _ = best_of_search(TABLE, SETTINGS, records)
    assert counts(cells[1]) == expected


def test_a_cell_without_a_search_was_selected_from_nothing_else():
    cells, _ = best_of_search(TABLE, SETTINGS, RECORDS)
    assert [counts(cells[i]) for i in (0, 2)] == [(1, 0), (1, 0)]


def test_settings_of_one_configuration_count_once():
    same = replace(SETTINGS[0], params=SETTINGS[0].params | {"optimizer.lr": "0.00001"})
    cells, (line,) = best_of_search(TABLE, [*SETTINGS, same], RECORDS)
    assert counts(cells[1]) == (4, 0)
    assert "(4 in total)" in line


def test_a_setting_with_the_configuration_of_another_method_keeps_its_own():
    """`wd` with a weight decay of 0 is `standard`."""
    own = make_cell(method="wd")
    nothing = replace(make_cell(method="wd"), config_id=TABLE[0].config_id)
    records = runs([TABLE[0], own], [0.9, 0.6])
    cells, _ = best_of_search([own, TABLE[0]], [nothing], records)
    assert [c.method for c in cells] == ["wd", "standard"]
    assert cells[0].config_id == TABLE[0].config_id


def test_the_tables_own_setting_may_be_the_best():
    cells, (line,) = best_of_search(TABLE, SETTINGS[:1], RECORDS)
    assert cells[1].config_id == TABLE[1].config_id
    assert line.startswith("RTE llrd: the setting in conf/methods.yaml, mean validation score 60.0")


def test_without_runs_the_tables_own_setting_stays():
    cells, (line,) = best_of_search(TABLE[1:2], SETTINGS[:1], [])
    assert cells == TABLE[1:2]
    assert line.endswith("no runs yet, none of 2 settings has all seeds")


@pytest.fixture(scope="module")
def table2():
    return read_sweep("table2").narrow(["task=rte,cola", "seed=0..2", "scale=mini"])


def test_table_2_has_four_searches(table2):
    names = [sweep.name for sweep in search_sweeps(table2)]
    assert names == ["llrd", "mixout", "pretrained_wd", "wd"]


def test_searches_cover_the_tasks_seeds_and_scale_of_the_table(table2):
    llrd, *_ = search_sweeps(table2)
    assert {(r.scale, r.method) for r in llrd.configs()} == {("mini", "llrd")}
    assert len(llrd.configs()) == 6 * 2 * 3


def test_methods_that_the_table_lacks_are_not_searched(table2):
    narrowed = table2.narrow(["method=standard,wd"])
    assert [sweep.name for sweep in search_sweeps(narrowed)] == ["wd"]


def test_table_1_has_no_searches():
    assert search_sweeps(read_sweep("table1")) == []


def test_the_command_reports_the_best_setting_of_a_search(tmp_path, capsys):
    """Mixout with p=0.5 from its search, without data and model."""
    narrow = ["task=rte", "seed=0,1", "scale=mini", "data.source=/absent", "model.name=org/absent"]
    narrow.append(f"paths.runs={tmp_path / 'runs'}")
    table = ["method=standard,mixout", *narrow]
    content = {"data": "sha256:1", "model": "sha256:2"}
    search = read_sweep("mixout").narrow([*narrow, "mixout.p=0.5"])
    for sweep, val in ((read_sweep("table2").narrow(table), 0.5), (search, 0.9)):
        for cfg in sweep.configs():
            cell = make_cell(cfg.task, cfg.method, cfg.length, cfg.scale)
            own = config_id(cfg, **content)
            store_record(
                tmp_path / "runs", make_record(cell, cfg.seed, val=val, config_id=own, **content)
            )
    assert main(["report", "table2", *table, "--fresh", "--full", f"--out={tmp_path}/out"]) == 0
    line = (
        "RTE mixout: mixout.p=0.5, mean validation score 90.0, best of 2 settings with all seeds "
        "(5 in total)"
    )
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("other", [{"task": "cola"}, {"length": "longer"}, {"scale": "demo"}])
def test_a_setting_counts_only_for_its_task_length_and_scale(other):
    table = [make_cell(method="llrd"), make_cell(**{"method": "llrd"} | other)]
    settings = [make_cell(**{"method": "llrd"} | o, lr=lr) for o in ({}, other) for lr in "12"]
    records = runs([*table, *settings], [0.1, 0.1, 0.5, 0.6, 0.9, 0.8])
    cells, _ = best_of_search(table, settings, records)
    assert [c.config_id for c in cells] == [settings[1].config_id, settings[2].config_id]


def test_the_settings_of_a_generated_task_are_not_described_as_the_real_one():
    cells = [make_cell(method="llrd", scale="demo", lr=lr) for lr in "12"]
    _, (line,) = best_of_search(cells[:1], cells[1:], [])
    assert line.startswith("demo-rte llrd: ")


def test_a_table_without_methods_has_no_searches(table2):
    table = replace(table2, parameters={"task": ("rte",)})
    assert search_sweeps(table) == []
