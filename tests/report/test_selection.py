"""Selection by mean validation score, written to a copy of conf/selected.yaml."""

import shutil
from dataclasses import replace

import pytest
import yaml

from stablebert.cli.main import main
from stablebert.config.files import CONF
from stablebert.config.identity import config_id
from stablebert.config.sweep import read_sweep
from stablebert.report import ReportError
from stablebert.report.search import pick, searches
from stablebert.report.selection import select
from tests.report.test_tables import cell, record, store


@pytest.fixture
def path(tmp_path):
    return shutil.copy(CONF / "selected.yaml", tmp_path / "selected.yaml")


def searched(key, values, **more):
    return [cell(method="reinit", **{key: str(value)}, **more) for value in values]


def runs(cells, means):
    """Two runs a cell, around its mean validation score."""
    pairs = [(c, mean) for c, mean in zip(cells, means, strict=True)]
    return [record(c, seed, val=mean + (seed - 0.5) / 50) for c, mean in pairs for seed in (0, 1)]


def test_the_highest_mean_wins_and_the_smallest_of_equals(path):
    cells = searched("reinit.num_layers", [10, 3, 2, 1])
    lines = select(cells, runs(cells, [0.5, 0.7, 0.7, 0.6]), sweep="depth", path=path)
    assert len(lines) == 1
    assert "mini rte reinit: reinit.num_layers=2" in lines[0]
    written = yaml.safe_load(path.read_text())["mini"]["rte"]["reinit"]
    assert written["reinit"] == {"num_layers": 2}
    provenance = written["provenance"]["reinit.num_layers"]
    assert provenance["sweep"] == "depth"
    assert provenance["seeds"] == 2
    assert provenance["mean_val"] == {"1": 60.0, "2": 70.0, "3": 70.0, "10": 50.0}
    assert path.read_text().startswith("#")  # what the file is stands at its head


def test_a_second_selection_keeps_the_first(path):
    for key, values in (("reinit.num_layers", [1, 2]), ("trainer.max_steps", [200, 1600])):
        cells = searched(key, values)
        select(cells, runs(cells, [0.6, 0.7]), sweep=key, path=path)
    written = yaml.safe_load(path.read_text())["mini"]["rte"]["reinit"]
    assert written["reinit"] == {"num_layers": 2}
    assert written["per_length"] == {"longer": {"trainer": {"max_steps": 1600}}}
    assert set(written["provenance"]) == {"reinit.num_layers", "trainer.max_steps"}


def test_an_incomplete_search_selects_nothing(path):
    cells = searched("reinit.num_layers", [1, 2])
    before = path.read_text()
    with pytest.raises(ReportError, match="1 runs are missing in 1 of its cells"):
        select(cells, runs(cells, [0.6, 0.7])[:-1], sweep="depth", path=path)
    assert path.read_text() == before


def test_a_sweep_that_searches_nothing_or_too_much_is_refused(path):
    cells = [cell()]
    with pytest.raises(ReportError, match="searches nothing"):
        select(cells, runs(cells, [0.6]), sweep="table1", path=path)
    cells = searched("reinit.num_layers", [1]) + searched("trainer.max_steps", [200])
    with pytest.raises(ReportError, match="searches"):
        select(cells, runs(cells, [0.6, 0.7]), sweep="both", path=path)


def test_the_command_names_what_it_could_not_read(tmp_path, path, monkeypatch, capsys):
    """And needs neither data nor model at hand, as long as the records agree on them."""
    monkeypatch.setattr("stablebert.cli.main.CONF", tmp_path)
    monkeypatch.setattr("stablebert.cli.main.RESULTS", tmp_path / "none")
    words = ["task=rte", "method=reinit", "length=3epochs", "seed=0", "reinit.num_layers=1,2"]
    words += ["scale=mini", "data.source=/absent", f"paths.runs={tmp_path / 'runs'}"]
    some = record(cell(), data="sha256:1", model="sha256:2")
    for cfg in read_sweep("reinit_depth").narrow(words).configs():
        depth, own = cfg.reinit.num_layers, config_id(cfg, data=some.data, model=some.model)
        store(tmp_path / "runs", replace(some, method="reinit", config_id=own, val_best=depth / 4))
    torn = tmp_path / "runs" / "mini" / "torn" / "result.json"
    torn.parent.mkdir()
    torn.write_text('{"task": "rt')
    assert main(["select", "reinit_depth", *words]) == 0
    out, err = capsys.readouterr()
    assert "mini rte reinit: reinit.num_layers=2 (mean val 1: 25.00, 2: 50.00)" in out
    assert f"skipped: {torn}: " in err
    assert "data not at hand; as in all records of mini rte: sha256:1" in err
    assert "num_layers: 2" in path.read_text()


# ---------------------------------------------------------------- settings picked by a report


def test_a_table_picks_each_methods_best_setting_by_validation():
    table = [cell(), cell(method="llrd"), cell(method="mixout")]
    settings = [cell(method="llrd", **{"optimizer.lr": lr}) for lr in ("1e-5", "3e-5", "9e-5")]
    records = [*runs(table, [0.9, 0.6, 0.5]), *runs(settings, [0.5, 0.7, 0.8])]
    whole, said = pick(table, settings, records)
    assert [c.config_id for c in whole] == [
        table[0].config_id, settings[2].config_id, table[2].config_id,
    ]  # fmt: skip
    # it stands in the table as the method itself
    assert [c.params for c in whole] == [c.params for c in table]
    (line,) = said
    assert "RTE llrd: optimizer.lr=9e-5, mean validation 80.0" in line
    assert "best of 4 settings with all seeds (4 in all)" in line
    # one that lacks a seed takes no part, however good
    whole, (line,) = pick(table, settings, records[:-1])
    assert whole[1].config_id == settings[1].config_id
    assert "best of 3 settings with all seeds (4 in all)" in line
    # the table's own setting may win
    whole, (line,) = pick(table, settings[:1], records)
    assert whole[1].config_id == table[1].config_id
    assert "RTE llrd: as conf/methods.yaml has it, mean validation 60.0" in line


def test_a_table_without_runs_picks_nothing():
    table, settings = [cell(method="wd")], [cell(method="wd", **{"optimizer.weight_decay": "1"})]
    whole, (line,) = pick(table, settings, [])
    assert whole == table
    assert "no run yet, best of 0 settings" in line


def test_table_2_searches_on_its_own_tasks_and_seeds():
    table = read_sweep("table2").narrow(["task=rte,cola", "seed=0..2", "scale=mini"])
    found = {sweep.name: sweep for sweep in searches(table)}
    assert list(found) == ["llrd", "mixout", "pretrained_wd", "wd"]
    assert len(found["llrd"].configs()) == 6 * 2 * 3
    assert {(r.scale, r.method) for r in found["mixout"].configs()} == {("mini", "mixout")}
    assert searches(table.narrow(["method=standard,wd"]))[0].name == "wd"
    assert searches(read_sweep("table1")) == []
