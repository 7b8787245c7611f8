"""Reports on all sweeps that have runs."""

from dataclasses import replace

import pytest

from stablebert.config.sweep import shipped_sweeps
from stablebert.errors import ConfigError
from stablebert.report.everything import SWEEPS, read_collections
from stablebert.report.items import ITEMS, join_labels
from tests.helpers.collections import OTHER, config_record, config_records
from tests.helpers.records import store_record

MINI = ("scale=mini", "task=cola_1k")


@pytest.fixture
def read(tmp_path):
    """Return a function that stores records and reads their collections."""

    def read_stored(*records, overrides=()):
        for record in records:
            store_record(tmp_path / "runs", record)
        return read_collections([f"paths.runs={tmp_path / 'runs'}", *overrides])

    (tmp_path / "runs").mkdir()
    return read_stored


def counts(report):
    """Method, length, and numbers of runs and expected runs of the cells of a report."""
    return [(r.cell.method, r.cell.length, r.n, len(r.cell.seeds)) for r in report.basis.results]


def table1(seeds=(0, 1, 2), task="cola_1k", **changes):
    records = []
    for method in ("standard", "reinit"):
        for length in ("3epochs", "longer"):
            values = ("scale=mini", f"task={task}", f"method={method}", f"length={length}")
            records += config_records(*values, seeds=seeds, **changes)
    return records


TABLE_7_MODELS = ("xlnet/xlnet-large-cased", "facebook/bart-large")


def table7():
    """Records of two models of Table 7."""
    return [
        record
        for i, name in enumerate(TABLE_7_MODELS)
        for record in config_records(
            "scale=paper",
            "task=rte",
            f"model.name={name}",
            model=f"sha256:{i}" * 3,
            model_address=f"{name}@c0ffee",
        )
    ]


def test_a_small_complete_grid_is_complete(read):
    (collection,) = read(*table1())
    assert counts(collection.reports["table1"]) == [
        ("standard", "3epochs", 3, 3),
        ("reinit", "3epochs", 3, 3),
        ("standard", "longer", 3, 3),
        ("reinit", "longer", 3, 3),
    ]


def test_only_tasks_with_runs_are_reported(read):
    (collection,) = read(*table1(), *table1(task="mrpc_1k"))
    tasks = {cell.task for cell in collection.reports["table1"].basis.cells}
    assert tasks == {"cola_1k", "mrpc_1k"}


def test_a_cell_that_lacks_seeds_stays_incomplete(read):
    *complete, _, _ = table1()
    (collection,) = read(*complete)
    assert [n for *_, n, _ in counts(collection.reports["table1"])] == [3, 3, 3, 1]


def test_runs_that_another_sweep_explains_make_no_report(read):
    (collection,) = read(*table1())
    assert list(collection.reports) == ["table1"]


def test_a_complete_sweep_is_reported_though_another_one_has_its_runs(read):
    records = [
        record
        for method in ("standard", "bert_adam")
        for record in config_records("scale=mini", "task=mnli", f"method={method}", seeds=range(5))
    ]
    (collection,) = read(*records)
    assert counts(collection.reports["table5"]) == [
        ("bert_adam", "3epochs", 3, 3),
        ("standard", "3epochs", 3, 3),
    ]


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        pytest.param("cola", "no runs except those in the report on table1", id="its own task"),
        pytest.param("cola_1k", "no runs", id="another task"),
    ],
)
def test_an_item_whose_runs_another_report_has_names_it(read, task, reason):
    (collection,) = read(*table1(task=task))
    reasons = {x.item.name: x.reason for x in collection.absent}
    assert reasons["table2"] == reason


def test_reports_are_in_the_order_of_the_paper(read):
    (collection,) = read(*table1(), *config_records(*MINI, "method=bert_adam"))
    assert list(collection.reports) == ["bias_correction", "table1"]


def test_the_depths_of_reinit_are_next_to_standard(read):
    depths = [
        x
        for n in (0, 2, 3)
        for x in config_records(*MINI, "method=reinit", f"reinit.num_layers={n}")
    ]
    (collection,) = read(*table1(), *depths)
    found = [
        (r.cell.method, r.cell.params.get("reinit.num_layers"), r.n)
        for r in collection.reports["reinit_depth"].basis.results
    ]
    assert found == [("standard", None, 3), *(("reinit", str(n), 3) for n in (0, 1, 2, 3))]


def test_table_7_has_the_models_that_it_names(read):
    collections = read(*table7())
    reports = [x.reports["table7"] for x in collections if "table7" in x.reports]
    models = [[cell.params["model.name"] for cell in report.basis.cells] for report in reports]
    assert models == [sorted(TABLE_7_MODELS)]


def test_each_model_has_a_collection(read):
    collections = read(*table1(seeds=range(4)), *table1(model=OTHER))
    assert [len(x.records) for x in collections] == [16, 12]


def test_a_collection_does_not_count_the_runs_of_another_model(read):
    _, second = read(*table1(seeds=range(4)), *table1(model=OTHER))
    assert second.reports["table1"].join_result.unrelated == 0


def test_collections_have_folders_of_their_own(read):
    names = [x.name for x in read(*table1(), *table1(model=OTHER))]
    assert sorted(names) == [
        "mini-all-MiniLM-L6-v2-0a1b2c3d4e5f",
        "mini-all-MiniLM-L6-v2-fedcba987654",
    ]


def test_a_scale_selects(read):
    records = [*table1(), config_record("scale=paper", "task=rte")]
    assert [x.scale for x in read(*records, overrides=["scale=paper"])] == ["paper"]


def test_overrides_narrow_every_sweep(read):
    (collection,) = read(*table1(), overrides=["method=standard", "seed=0,1"])
    assert counts(collection.reports["table1"]) == [
        ("standard", "3epochs", 2, 2),
        ("standard", "longer", 2, 2),
    ]


def test_an_unknown_key_is_refused(read):
    with pytest.raises(ConfigError, match="scaling=mini is not of the form"):
        read(overrides=["scaling=mini"])


def test_a_value_that_a_key_does_not_take_is_refused(read):
    with pytest.raises(ConfigError, match=r"task=rtee: task takes .*did you mean"):
        read(overrides=["task=rtee"])


def absent_commands(collection):
    """Commands of the absent items by name, without the folder of the test."""
    return {
        x.item.name: " ".join(w for w in x.command.split() if not w.startswith("paths.runs="))
        for x in collection.absent
    }


def test_items_without_runs_are_absent_with_the_command_that_runs_them(read):
    (collection,) = read(*table1())
    absent = absent_commands(collection)
    assert absent["fig2"] == "stablebert grid bias_correction scale=mini"
    assert not {"table1", "fig6", "table3", "fig1"} & absent.keys()


def test_a_cell_with_several_precisions_is_a_problem_and_no_report(read):
    first, *others = config_records(*MINI)
    (collection,) = read(replace(first, precision="bf16-mixed"), *others)
    assert collection.reports == {}
    assert any("runs differ in precision" in line for line in collection.problems)


def test_files_are_read_once_for_all_reports(read):
    (collection,) = read(*table1(), *config_records(*MINI, "method=bert_adam"))
    shared = {id(x.basis.request.files) for x in collection.reports.values()}
    assert len(collection.reports) == 2
    assert len(shared) == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["fig5"], "Figure 5"),
        (["table1", "fig3", "fig6"], "Table 1; Figures 3, 6"),
        (["fig2", "table1", "fig4", "table2"], "Figures 2, 4; Tables 1, 2"),
    ],
)
def test_items_are_named_as_in_the_paper(names, expected):
    assert join_labels(ITEMS[name] for name in names) == expected


def test_every_item_names_a_shipped_sweep():
    assert {item.sweep for item in ITEMS.values()} - {""} <= {*shipped_sweeps()}


def test_all_figures_and_tables_are_items():
    assert {*ITEMS} == {f"fig{i}" for i in range(1, 19)} | {f"table{i}" for i in range(1, 8)}


def test_a_collection_covers_every_item():
    assert {item.sweep for item in ITEMS.values()} - {""} <= {*SWEEPS}


def test_every_figure_names_the_kind_that_draws_it():
    from stablebert.report.figures.registry import FIGURES

    drawn = {item: kind.name for kind in FIGURES.values() for item in kind.items}
    assert {item.name: item.figure for item in ITEMS.values() if item.figure} == drawn


def distilbert(*values, seeds=range(4), model=OTHER):
    settings = ("scale=mini", "task=cola_1k", "model.name=distilbert/distilbert-base-cased")
    return config_records(*settings, *values, seeds=seeds, model=model)


def test_the_command_of_an_absent_item_trains_the_model_of_the_collection(read):
    (collection,) = read(*distilbert())
    absent = absent_commands(collection)
    assert absent["fig2"] == (
        "stablebert grid bias_correction scale=mini model.name=distilbert/distilbert-base-cased"
    )


def test_the_command_of_an_absent_item_has_the_overrides_of_the_report(read):
    records = config_records(*MINI, "trainer.precision=bf16-mixed", seeds=range(4))
    given = ["scale=mini,demo", "trainer.precision=bf16-mixed", "task=cola_1k"]
    (collection,) = read(*records, overrides=given)
    absent = absent_commands(collection)
    assert absent["fig2"] == (
        "stablebert grid bias_correction scale=mini trainer.precision=bf16-mixed task=cola_1k"
    )
    assert all("paths.runs=" in x.command for x in collection.absent)


def test_table_7_is_absent_from_no_collection_if_there_are_runs(read):
    absent = [{x.item.name for x in collection.absent} for collection in read(*table7())]
    assert [names & {"table6", "table7"} for names in absent] == [set(), set()]


def test_runs_in_no_report_are_counted(read):
    others = config_records(*MINI, "optimizer.weight_decay=0.3", seeds=(0, 1))
    (collection,) = read(*table1(), *others)
    assert collection.unreported == 2
