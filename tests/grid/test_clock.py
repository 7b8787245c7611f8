"""Durations are estimated from finished runs: of the same cell, else task, else scale."""

import pytest

from stablebert.grid.clock import Clock
from tests.helpers.runs import make_run, make_run_record

RTE, COLA = make_run("runs", "task=rte"), make_run("runs", "task=cola")


HERE = "a CPU"
"""Device of records, unless a test says otherwise."""
ROWS = {"train": {"rows": 1000}}
"""A training split of 96 steps: three epochs in batches of 32."""


def record_of(run, seconds, **changes):
    seconds = {"load": 5.0, "train": seconds - 5}
    return make_run_record(run, **{"splits": ROWS, "steps": 96, "seconds": seconds, **changes})


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
    clock = Clock([record_of(RTE, 100), record_of(COLA, 40)], {HERE})
    assert clock.remaining(runs, workers) == remaining


def test_a_run_that_ends_is_learned_from():
    clock = Clock([])
    clock.learn(record_of(RTE, 10))
    assert clock.remaining([RTE, RTE], 1) == "0:00:20"


def test_a_run_of_more_steps_takes_longer():
    clock = Clock([record_of(RTE, 35)])
    assert clock.estimate(make_run("runs", "trainer.max_steps=960")) == 5 + 10 * 30


def test_a_run_of_more_epochs_takes_longer():
    clock = Clock([record_of(RTE, 35)])
    assert clock.estimate(make_run("runs", "trainer.epochs=6")) == 5 + 2 * 30


def test_runs_on_this_machine_come_before_more_similar_ones_on_another():
    fast = record_of(RTE, 10, device="NVIDIA H100")
    clock = Clock([fast, record_of(COLA, 60)], {HERE})
    assert (clock.remaining([RTE], 1), clock.describe_source(["mini"])) == ("0:01:00", "")


def test_runs_on_other_machines_are_named_as_the_source():
    clock = Clock([record_of(RTE, 10, device="NVIDIA H100")], {HERE})
    assert clock.describe_source([RTE.cfg.scale]) == ", measured on NVIDIA H100"


def test_a_run_that_finishes_here_replaces_those_of_another_machine():
    clock = Clock([record_of(RTE, 10, device="NVIDIA H100")])
    clock.learn(record_of(RTE, 60))
    assert (clock.remaining([RTE], 1), clock.describe_source(["mini"])) == ("0:01:00", "")
