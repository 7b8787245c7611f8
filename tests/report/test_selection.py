"""Selection by mean validation score, written to a copy of conf/selected.yaml."""

import shutil
from dataclasses import replace

import pytest
import yaml

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.files import CONF
from stablebert.config.identity import config_id
from stablebert.config.sweep import read_sweep
from stablebert.errors import ConfigError
from stablebert.report import selection
from stablebert.report.records import ReportError
from stablebert.report.selection import count_compared_values, write_selection
from tests.helpers.records import make_cell, make_record, make_seeds, store_record


@pytest.fixture
def path(tmp_path):
    return shutil.copy(CONF / "selected.yaml", tmp_path / "selected.yaml")


def searched_cells(key, values):
    return [make_cell(method="reinit", **{key: str(value)}) for value in values]


def runs(cells, means):
    """Two runs per cell, around its mean validation score."""
    return [
        make_record(cell, seed, val=mean + (seed - 0.5) / 50)
        for cell, mean in zip(cells, means, strict=True)
        for seed in (0, 1)
    ]


def selected_entry(path):
    return yaml.safe_load(path.read_text())["mini"]["rte"]["reinit"]


@pytest.fixture
def depth_lines(path):
    """Lines of a selection among four depths, of which two share the highest mean."""
    cells = searched_cells("reinit.num_layers", [10, 3, 2, 1])
    return write_selection(
        cells, runs(cells, [0.5, 0.7, 0.7, 0.6]), sweep="depth", command="COMMAND", path=path
    )


def test_the_highest_mean_is_selected_and_the_smallest_of_equal_values(depth_lines, path):
    assert selected_entry(path)["reinit"] == {"num_layers": 2}


def test_a_line_describes_the_selection(depth_lines):
    assert depth_lines == [
        "mini rte reinit: reinit.num_layers=2 "
        "(mean validation scores 1: 60.00, 2: 70.00, 3: 70.00, 10: 50.00)"
    ]


def test_the_provenance_of_a_value_is_recorded(depth_lines, path):
    assert selected_entry(path)["provenance"]["reinit.num_layers"] == {
        "sweep": "depth",
        "seeds": "0..1",
        "mean_val": {"1": 60.0, "2": 70.0, "3": 70.0, "10": 50.0},
        "config_id": "rte-reinit-3epochs-mini-reinit.num_layers=2",
    }


def test_the_comment_at_the_head_of_the_file_stays(depth_lines, path):
    comment = (CONF / "selected.yaml").read_text().partition("\n")[0]
    assert comment.startswith("#")
    assert path.read_text().startswith(comment)


def test_a_second_selection_keeps_the_first(depth_lines, path):
    cells = searched_cells("trainer.max_steps", [200, 1600])
    write_selection(cells, runs(cells, [0.6, 0.7]), sweep="steps", command="COMMAND", path=path)
    entry = selected_entry(path)
    assert entry["reinit"] == {"num_layers": 2}
    assert set(entry["provenance"]) == {"reinit.num_layers", "trainer.max_steps"}


def test_a_number_of_steps_is_selected_for_longer_training(path):
    cells = searched_cells("trainer.max_steps", [200, 1600])
    write_selection(cells, runs(cells, [0.6, 0.7]), sweep="steps", command="COMMAND", path=path)
    assert selected_entry(path)["per_length"] == {"longer": {"trainer": {"max_steps": 1600}}}


def test_an_incomplete_search_selects_nothing(path):
    cells = searched_cells("reinit.num_layers", [1, 2])
    before = path.read_text()
    with pytest.raises(
        ReportError, match="1 run missing in 1 of 2 cells; run them first with `COMMAND`"
    ):
        write_selection(
            cells, runs(cells, [0.6, 0.7])[:-1], sweep="depth", command="COMMAND", path=path
        )
    assert path.read_text() == before


def test_a_pruned_search_selects_nothing(path):
    """Pruning finished the best two of three seeds of the first value."""
    cells = searched_cells("reinit.num_layers", [1, 2])
    records = runs(cells, [0.6, 0.7])
    records[:2] = [replace(r, pruned_from=[[0, 0], [1, 1], [2, 2]]) for r in records[:2]]
    with pytest.raises(
        ReportError,
        match=r"seed pruning\) in RTE reinit .*num_layers=1\); run all seeds with `COMMAND`",
    ):
        write_selection(cells, records, sweep="depth", command="COMMAND", path=path)


DEPTH, STEPS = (searched_cells(key, [1]) for key in ("reinit.num_layers", "trainer.max_steps"))
ALSO_RATE = [
    make_cell(method="reinit", **{"reinit.num_layers": "1", "optimizer.lr": lr})
    for lr in ("1e-5", "2e-5")
]

ALSO_LENGTH = [
    make_cell(method="reinit", length=length, **{"reinit.num_layers": "1"})
    for length in ("3epochs", "longer")
]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ([make_cell()], "table varies nothing that can be selected"),
        ([*DEPTH, *STEPS], "table varies reinit.num_layers and trainer.max_steps"),
        (ALSO_RATE, "table varies optimizer.lr besides reinit.num_layers"),
        (ALSO_LENGTH, "table varies length besides reinit.num_layers; narrow it .* length=VALUE"),
    ],
)
def test_a_sweep_must_vary_exactly_one_selectable_parameter(path, cells, problem):
    with pytest.raises(ReportError, match=problem):
        write_selection(cells, [], sweep="table", command="COMMAND", path=path)


@pytest.fixture
def command(tmp_path, path, monkeypatch, capsys):
    """Output of `stablebert select` on records of data and a model that are not available."""
    monkeypatch.setattr("stablebert.cli.reports.CONF", tmp_path)
    monkeypatch.setattr("stablebert.cli.arguments.RESULTS", tmp_path / "none")
    overrides = ["task=rte", "method=reinit", "length=3epochs", "seed=0", "reinit.num_layers=1,2"]
    overrides += ["scale=mini", "data.source=/absent", f"paths.runs={tmp_path / 'runs'}"]
    content = {"data": "sha256:1", "model": "sha256:2"}
    for cfg in read_sweep("reinit_depth").narrow(overrides).configs():
        own = config_id(cfg, **content)
        score = cfg.reinit.num_layers / 4
        record = make_record(make_cell(method="reinit"), val=score, config_id=own, **content)
        store_record(tmp_path / "runs", record)
    torn = tmp_path / "runs" / "mini" / "torn" / "result.json"
    torn.parent.mkdir()
    torn.write_text('{"task": "rt')
    assert main(["select", "reinit_depth", *overrides]) == 0
    return capsys.readouterr()


def test_the_command_selects_without_data_and_model(command, path):
    assert "mini rte reinit: reinit.num_layers=2 " in command.out
    assert "num_layers: 2" in path.read_text()


def test_the_command_names_the_grid_of_a_search_without_runs(tmp_path, path, monkeypatch, capsys):
    monkeypatch.setattr("stablebert.cli.reports.CONF", tmp_path)
    before = path.read_text()
    arguments = ["reinit_depth", "task=rte", "scale=demo", "seed=0", f"paths.runs={tmp_path}"]
    assert main(["select", *arguments, "--fresh"]) == 1
    assert f"with `stablebert grid {' '.join(arguments)} --fresh`" in capsys.readouterr().err
    assert path.read_text() == before


def test_the_command_reports_unreadable_files(command, tmp_path):
    assert f"skipped: {tmp_path}/runs/mini/torn/result.json: " in command.err


def test_the_command_reports_what_it_assumes_about_absent_data(command):
    assert "all records of mini rte used: sha256:1\n" in command.err


# ---------------------------------------------------------------- selected values in reports

SELECTED = {
    "reinit": {
        "provenance": {
            "reinit.num_layers": {"seeds": "0..2", "mean_val": {"1": 60.0, "2": 70.0, "3": 65.0}},
            "trainer.max_steps": {"seeds": 8, "mean_val": {"200": 60.0, "400": 70.0}},
        }
    }
}


@pytest.mark.parametrize(
    ("overrides", "seeds", "count"),
    [
        pytest.param("", [2, 3], 3, id="some of its seeds"),
        pytest.param("", [3, 4], 1, id="other seeds"),
        pytest.param("", [(0, 3)], 1, id="another pair of seeds"),
        pytest.param("trainer.max_steps=400", [0], 6, id="two selections"),
        pytest.param("trainer.max_steps=400", [9], 2, id="a selection on unknown seeds"),
        pytest.param("method=reinit+mixout", [0], 3, id="a method in a combination"),
        pytest.param("reinit.num_layers=5", [0], 1, id="a value that was not compared"),
        pytest.param("task=cola", [0], 1, id="another task"),
        pytest.param("method=standard", [0], 1, id="another method"),
    ],
)
def test_a_selection_counts_if_it_used(monkeypatch, overrides, seeds, count):
    monkeypatch.setattr(selection, "load_conf", lambda name: {"mini": {"rte": SELECTED}})
    defaults = {"task": "rte", "method": "reinit", "scale": "mini", "reinit.num_layers": "2"}
    values = defaults | dict(word.split("=") for word in overrides.split())
    if values["method"] == "standard":
        del values["reinit.num_layers"]
    cfg = compose([f"{key}={value}" for key, value in values.items()])
    assert count_compared_values(cfg, make_seeds(seeds)) == count


@pytest.mark.parametrize(
    "origin",
    [
        None,
        3,
        {},
        {"seeds": "0..2"},
        {"seeds": "0..x", "mean_val": {"2": 70.0}},
        {"seeds": "2..0", "mean_val": {"2": 70.0}},
        {"seeds": "0..999999999", "mean_val": {"2": 70.0}},
        {"seeds": [0, 1], "mean_val": {"2": 70.0}},
        {"seeds": "0..2", "mean_val": [70.0]},
    ],
)
def test_a_damaged_provenance_is_reported(monkeypatch, origin):
    entry = {"reinit": {"provenance": {"reinit.num_layers": origin}}}
    monkeypatch.setattr(selection, "load_conf", lambda name: {"mini": {"rte": entry}})
    cfg = compose(["task=rte", "method=reinit", "scale=mini", "reinit.num_layers=2"])
    place = r"conf/selected\.yaml: mini rte reinit provenance reinit\.num_layers is damaged"
    with pytest.raises(ConfigError, match=place):
        count_compared_values(cfg, make_seeds([0]))


def test_a_damaged_file_of_selections_is_not_replaced(path):
    damaged = "mini: {rte: {reinit: {provenance: 3}}}\n"
    path.write_text(damaged)
    cells = searched_cells("reinit.num_layers", [1, 2])
    with pytest.raises(ConfigError, match="mini: rte: reinit: provenance: expected names"):
        write_selection(cells, runs(cells, [0.6, 0.7]), sweep="x", command="c", path=path)
    assert path.read_text() == damaged


def test_a_value_that_the_sweep_sets_was_not_selected(monkeypatch):
    monkeypatch.setattr(selection, "load_conf", lambda name: {"mini": {"rte": SELECTED}})
    cfg = compose(["task=rte", "method=reinit", "scale=mini", "reinit.num_layers=2"])
    explicit = {"reinit.num_layers"}
    assert count_compared_values(cfg, make_seeds([0]), explicit=explicit) == 1


def test_the_demos_depths_were_selected_on_seeds_that_no_table_reports():
    cfg = compose(["task=cola", "method=reinit", "scale=demo"])
    assert count_compared_values(cfg, make_seeds(range(38))) == 1
    assert count_compared_values(cfg, make_seeds([100])) == 6
