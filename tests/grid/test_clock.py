"""Durations are estimated from finished runs: of the same cell, else task, else scale."""

import pytest

from stablebert.grid.clock import Clock
from tests.helpers.runs import make_run, make_run_record

RTE, COLA = make_run("runs", "task=rte"), make_run("runs", "task=cola")


def record_of(run, seconds):
    return make_run_record(run, seconds={"load": 0.0, "train": seconds})


def test_without_a_finished_run_nothing_is_known():
    clock = Clock([])
    assert clock.estimate(RTE) is None
    assert clock.remaining([RTE], 2) == "unknown until a run has finished"


def test_the_duration_is_the_sum_of_the_phases():
    clock = Clock([make_run_record(RTE, seconds={"load": 1.0, "train": 2.0, "test": 4.0})])
    assert clock.estimate(RTE) == 7


def test_of_several_durations_the_median_is_taken():
    assert Clock([record_of(RTE, seconds) for seconds in (10, 20, 90)]).estimate(RTE) == 20


def test_another_seed_of_the_cell_comes_first():
    records = [record_of(RTE, 10), record_of(make_run("runs", "method=reinit"), 90)]
    assert Clock(records).estimate(make_run("runs", "seed=5")) == 10


def test_another_method_of_the_task_comes_second():
    records = [record_of(RTE, 10), record_of(COLA, 90)]
    assert Clock(records).estimate(make_run("runs", "method=reinit")) == 10


def test_another_task_of_the_scale_comes_last():
    assert Clock([record_of(RTE, 10)]).estimate(COLA) == 10


def test_another_scale_says_nothing():
    record = make_run_record(RTE, scale="paper", config_id="0123456789")
    assert Clock([record]).estimate(RTE) is None


@pytest.mark.parametrize(
    ("runs", "workers", "remaining"),
    [
        ([RTE, COLA, COLA], 1, "0:03:00"),
        ([RTE, COLA, COLA], 2, "0:01:30"),
        ([COLA], 8, "0:00:40"),  # one run keeps one worker busy
        ([], 2, "0:00:00"),
    ],
)
def test_the_remaining_time_is_shared_by_the_workers(runs, workers, remaining):
    clock = Clock([record_of(RTE, 100), record_of(COLA, 40)])
    assert clock.remaining(runs, workers) == remaining


def test_a_run_that_ends_is_learned_from():
    clock = Clock([])
    clock.learn(record_of(RTE, 10))
    assert clock.remaining([RTE, RTE], 1) == "0:00:20"
