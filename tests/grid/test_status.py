"""The state of a sweep that jobs are running."""

import pytest

from stablebert.grid.clock import Clock
from stablebert.grid.cluster import JobState
from stablebert.grid.plan import Plan
from stablebert.grid.status import describe_jobs, describe_runs
from stablebert.runs.claims import hold_claim
from tests.helpers.runs import make_run, make_run_record

RUNNING, PENDING = JobState("1", "RUNNING", "node7"), JobState("2", "PENDING", "(Priority)")


@pytest.fixture
def runs(tmp_path):
    return [make_run(tmp_path, f"seed={seed}") for seed in range(4)]


@pytest.fixture
def clock(runs):
    """Clock that has seen a run of three seconds."""
    return Clock([make_run_record(runs[0])])


def test_a_claimed_run_is_running(runs, clock):
    runs[1].folder.mkdir(parents=True)
    plan = Plan(done=runs[:1], missing=runs[1:3], crashed=runs[3:])
    with hold_claim(runs[1].folder):
        text = describe_runs(plan, clock, [RUNNING, PENDING])
    counts = "4 runs, 1 planned, 1 running, 1 done, 1 crashed"
    assert text == f"{counts}; left 0:00:06 on 1 worker"


def test_a_job_that_is_starting_counts_as_a_worker(runs, clock):
    runs[0].folder.mkdir(parents=True)
    with hold_claim(runs[0].folder):
        text = describe_runs(Plan(missing=runs), clock, [RUNNING, RUNNING])
    assert text.endswith("; left 0:00:06 on 2 workers")


def test_there_are_no_more_workers_than_missing_runs(runs, clock):
    text = describe_runs(Plan(done=runs[1:], missing=runs[:1]), clock, [RUNNING, RUNNING])
    assert text.endswith("; left 0:00:03 on 1 worker")


@pytest.mark.parametrize(
    ("states", "end"),
    [
        ([RUNNING, PENDING], "left 0:00:12 on 1 worker"),
        ([PENDING, PENDING], "left 0:00:06 on 2 workers"),
        ([], "nothing is running: submit jobs to continue"),
    ],
)
def test_the_remaining_time_is_that_of_the_jobs(runs, clock, states, end):
    assert describe_runs(Plan(missing=runs), clock, states).endswith(f"; {end}")


def test_a_complete_sweep_has_no_remaining_time(runs, clock):
    text = describe_runs(Plan(done=runs), clock, [])
    assert text == "4 runs, 0 planned, 0 running, 4 done, 0 crashed"


def test_jobs_that_slurm_has_forgotten_have_ended():
    text = describe_jobs(["1", "2", "3"], [RUNNING, PENDING])
    assert text == "1 RUNNING node7, 2 PENDING (Priority), 1 ended"
