"""Matching records with cells."""

from dataclasses import replace

import pytest

from stablebert.report.join import join_records
from stablebert.report.records import ReportError
from stablebert.runs.seeds import Seeds
from tests.helpers.records import make_cell, make_record


@pytest.fixture
def cell():
    return make_cell(seeds=(0, 1, 2))


def test_records_join_on_configuration_and_seed(cell):
    other = replace(cell, config_id="changed")
    records = [make_record(cell, 2), make_record(cell, 0), make_record(other, 1)]
    (result,) = join_records([cell], records).results
    assert [r.seed for r in result.records] == [0, 2]


def test_expected_seeds_without_a_record_are_missing(cell):
    records = [make_record(cell, 2), make_record(cell, 0)]
    (result,) = join_records([cell], records).results
    assert result.missing == (Seeds(1, 1),)


@pytest.mark.parametrize("seeds", [(5, 1), (1, 5)])
def test_a_run_with_one_other_seed_is_not_expected(cell, seeds):
    (result,) = join_records([cell], [make_record(cell, seeds)]).results
    assert result.missing == cell.seeds


def test_both_seeds_identify_a_run_of_a_cell():
    cell = make_cell(seeds=[(0, 1), (1, 0), (1, 1)])
    (result,) = join_records([cell], [make_record(cell, s) for s in [(1, 0), (0, 1)]]).results
    assert [record.seeds for record in result.records] == [(0, 1), (1, 0)]
    assert result.missing == (Seeds(1, 1),)


def test_the_seeds_are_those_that_the_run_used(cell):
    record = replace(make_record(cell, 2), seed=7)
    (result,) = join_records([cell], [record]).results
    assert result.records == (record,)


def test_scores_are_times_100(cell):
    (result,) = join_records([cell], [make_record(cell, 0, 0.5, val=0.25)]).results
    assert (result.test.tolist(), result.val.tolist()) == ([50.0], [25.0])


def test_records_that_resemble_a_cell_are_listed(cell):
    other = replace(cell, config_id="changed")
    records = [
        *(make_record(cell, 7), make_record(cell, (5, 1))),
        *(make_record(other, 1), make_record(other, 2)),
    ]
    assert join_records([cell], records).similar == [
        "mini rte standard 3epochs changed: 1..2",
        "mini rte standard 3epochs rte-standard-3epochs-mini: 7, 5/1",
    ]


def test_records_of_other_cells_are_counted(cell):
    joined = join_records([cell], [make_record(make_cell("cola")), make_record(cell)])
    assert (joined.similar, joined.unrelated) == ([], 1)


def test_records_of_other_scales_are_not_counted(cell):
    other = replace(make_record(make_cell("cola")), scale="paper")
    assert join_records([cell], [other, make_record(cell)]).unrelated == 0


def records_of(*cells):
    return [make_record(cell, seed) for cell in cells for seed in range(3)]


@pytest.mark.parametrize(("name", "usual"), [("precision", "32-true"), ("packing", "padded")])
def test_mixtures_within_a_cell_are_refused(name, usual):
    a, b = make_cell(seeds=range(3)), make_cell(method="reinit", seeds=range(3))
    records = records_of(a, b)
    records[5] = replace(records[5], **{name: "zzz"})
    with pytest.raises(ReportError) as refusal:
        join_records([a, b], records)
    problem, _ = str(refusal.value).splitlines()
    kinds = f"{usual} (2 runs), zzz (1 run)"
    assert problem == f"RTE reinit 3epochs ({b.config_id}): runs differ in {name}: {kinds}"


@pytest.mark.parametrize("name", ["precision", "packing"])
def test_different_cells_may_differ_in_precision_and_packing(name):
    a, b = make_cell(seeds=range(3)), make_cell(method="reinit", seeds=range(3))
    records = [*records_of(a), *(replace(r, **{name: "zzz"}) for r in records_of(b))]
    assert [r.n for r in join_records([a, b], records).results] == [3, 3]


def test_runs_that_failed_are_counted(cell):
    records = [make_record(cell, 0, status="failed"), make_record(cell, 1)]
    (result,) = join_records([cell], records).results
    assert (result.failed, result.n) == (1, 2)
