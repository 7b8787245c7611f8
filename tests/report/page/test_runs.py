"""The list of runs of a page."""

import numpy as np

from stablebert.report.page.runs import pack_curves, pack_runs
from stablebert.report.sweep_report import build_report
from stablebert.runs.history import Series
from tests.helpers.pages import unpack_rows
from tests.helpers.records import make_cell, make_record

CELL = make_cell("rte", "reinit", seeds=(0, 1), **{"optimizer.lr": "0.001"})
RECORDS = [
    make_record(CELL, 0, 0.70123, val=0.655),
    make_record(
        CELL, 1, 0.5, status="failed", test_at_last=0.25, seconds={"train": 2.0, "test": 1}
    ),
]


def describe_runs(records=RECORDS, cells=(CELL,), name="a sweep"):
    report = build_report(cells, records, name=name)
    return unpack_rows(pack_runs({name: report}, records))


def test_every_run_is_listed_once_although_two_sweeps_have_it():
    report = build_report([CELL], RECORDS, name="x")
    rows = unpack_rows(pack_runs({"first": report, "second": report}, RECORDS))
    assert [row["sweep"] for row in rows] == ["first, second"] * 2


def test_scores_are_points_with_two_digits():
    first, second = describe_runs()
    assert (first["test"], first["val"], first["last"]) == (70.12, 65.5, 70.12)
    assert (second["test"], second["last"]) == (50.0, 25.0)


def test_a_run_has_its_seed_status_setting_and_folder():
    _, run = describe_runs()
    assert (run["seed"], run["status"], run["setting"]) == (
        *("1", "failed, at chance", "optimizer.lr=0.001"),
    )
    assert f"{run['folder']}/{run['seed folder']}" == f"mini/rte/reinit/{CELL.config_id}/seed1"
    assert run["seconds"] == 3.0


def test_a_run_of_no_sweep_is_listed():
    other = make_record(make_cell("cola"), 7)
    run = describe_runs([*RECORDS, other])[-1]
    assert (run["task"], run["sweep"], run["command"], run["seeds"]) == ("CoLA", "", "", "seed=7")


def test_curves_share_their_steps():
    history = {
        "val/score": series([2, 4], [0.5, 0.75]),
        "train/loss": series([1, 2], [1.5, np.nan]),
    }
    curves = pack_curves(RECORDS, {RECORDS[1].key: history, RECORDS[0].key: history})
    assert curves["steps"] == [(2, 4), (1, 2)]
    assert curves["runs"] == [{"val/score": [0, [50.0, 75.0]], "train/loss": [1, [1.5, None]]}] * 2


def test_a_run_without_history_has_no_curves():
    curves = pack_curves(RECORDS, {RECORDS[1].key: {"val/score": series([2], [0.5])}})
    assert curves["runs"][0] is None


def series(steps, values):
    return Series(np.array(steps, np.int32), np.array(values, np.float32))
