"""Jobs are handed out, retried and collected, whatever happens to workers."""

import errno
import re

import pytest

from stablebert.errors import MACHINE_ERRORS
from stablebert.grid import executor
from stablebert.grid.executor import GridError
from stablebert.runs.record import read_record
from stablebert.runs.run import Job
from tests.helpers.runs import make_run, make_run_record, names_in, store_run_record
from tests.helpers.scripted_workers import DEATH, crash, crash_of, finish

# ---------------------------------------------------------------- handing out


def test_every_job_is_done_once(grid, jobs):
    assert grid.run(jobs, workers=2).finished == 4
    assert sorted(job.run.cfg.seed for job in grid.workers.jobs) == [0, 1, 2, 3]


def test_jobs_are_done_in_order(grid, jobs):
    grid.run(jobs)
    assert grid.workers.jobs == jobs


def test_a_grid_without_jobs_starts_no_worker(grid):
    assert grid.run([]).finished == 0
    assert grid.workers.started == []


def test_there_are_no_more_workers_than_jobs(grid, jobs):
    grid.run(jobs[:2], workers=8)
    assert sorted(grid.workers.started) == [0, 1]


@pytest.mark.parametrize(("workers", "threads"), [(1, 8), (2, 4), (3, 2), (4, 2)])
def test_workers_share_the_cores(grid, jobs, monkeypatch, workers, threads):
    monkeypatch.setattr(executor, "usable_cores", lambda: 8)
    grid.run(jobs, workers=workers)
    assert grid.workers.threads == threads


def test_a_worker_has_at_least_one_thread(grid, jobs, monkeypatch):
    monkeypatch.setattr(executor, "usable_cores", lambda: 1)
    grid.run(jobs, workers=4)
    assert grid.workers.threads == 1


def test_threads_can_be_set(grid, jobs):
    grid.run(jobs, workers=2, threads=3)
    assert grid.workers.threads == 3


def test_progress_counts_ended_runs_and_estimates_the_rest(grid, jobs):
    record = make_run_record(jobs[0].run, seconds={"train": 40.0})
    grid.run(jobs[:2], timing_records=[record])
    first, last = grid.lines
    assert first.startswith(f"[1/2] {jobs[0].run.name}: val 70.0 test 70.0 (ok, 0 s); left 0:00:")
    assert last.endswith("left 0:00:00")


def test_steps_are_no_result(grid, jobs):
    outcome = grid.run(jobs, lambda job: [("step", (3, 20)), ("step", (9, 20)), finish(job)])
    assert outcome.finished == 4


def test_a_terminal_shows_the_run_of_every_worker(grid, jobs, wide_console, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    grid.run(jobs, workers=2)
    output = capsys.readouterr().out
    for number in (0, 1):
        assert re.search(rf"worker {number}: rte standard 3epochs", output)
    assert re.search(r"all runs .* 4/4 +left 0:00:00", output)
    assert grid.lines == []


# ---------------------------------------------------------------- runs that others start from


@pytest.fixture
def dependent(tmp_path):
    """Jobs of two seeds that start from one run."""
    start = make_run(tmp_path, "task=mnli")
    runs = [make_run(tmp_path, "method=intermediate", f"seed={s}", start=start) for s in (0, 1)]
    return [Job(run) for run in runs]


def test_the_start_is_trained_first_and_once(grid, dependent):
    assert grid.run(dependent, workers=2).finished == 3
    assert grid.workers.jobs[0] == dependent[0].prerequisite
    assert len(grid.workers.jobs) == 3


def test_the_start_is_announced_once(grid, dependent):
    grid.run(dependent)
    start = dependent[0].prerequisite.run.name
    assert grid.lines[0] == f"training first, because other runs start from it: {start}"
    assert sum("training first" in line for line in grid.lines) == 1


def test_a_start_that_is_done_is_not_trained(grid, dependent):
    finish(dependent[0].prerequisite)
    grid.run(dependent)
    assert grid.workers.jobs == dependent


def test_a_start_whose_encoder_is_lost_is_trained_again(grid, dependent):
    store_run_record(dependent[0].prerequisite.run)
    assert grid.run(dependent).finished == 3


def test_runs_whose_start_crashes_crash_without_training(grid, dependent):
    outcome = grid.run(dependent, crash)
    assert [job.run.cfg.task for job in outcome.crashed] == ["mnli", "rte", "rte"]
    assert len(grid.workers.jobs) == 1
    start = dependent[0].prerequisite.run.name
    assert crash_of(dependent[0])["message"] == f"the run that it starts from crashed: {start}"


# ---------------------------------------------------------------- crashes


def fail(job):
    """Answer like a worker whose job of seed 1 has raised."""
    return crash(job) if job.run.cfg.seed == 1 else finish(job)


def test_a_crash_does_not_stop_the_grid(grid, jobs):
    """docs/pitfalls.md, 13."""
    outcome = grid.run(jobs, fail)
    assert (outcome.finished, outcome.crashed) == (3, [jobs[1]])


def test_a_crash_is_reported_with_its_message(grid, jobs):
    grid.run(jobs, fail)
    assert grid.lines[1].startswith(f"[2/4] {jobs[1].run.name}: crashed: ValueError: no; left")


def test_a_worker_is_replaced_after_an_exception(grid, jobs):
    """It may have made its CUDA context unusable."""
    grid.run(jobs, fail)
    assert grid.workers.started == [0, 0]


def test_a_crash_before_training_is_recorded(grid, jobs):
    grid.run(jobs, fail)
    assert crash_of(jobs[1]) == {"error": "GridError", "message": "ValueError: no", "step": None}


def test_the_crash_record_of_the_run_is_kept(grid, jobs):
    def answer(job):
        job.run.folder.mkdir(parents=True)
        (job.run.folder / "crash.json").write_text('{"error": "ValueError"}')
        return crash(job)

    grid.run(jobs, answer)
    assert crash_of(jobs[1]) == {"error": "ValueError"}


def test_a_model_that_cannot_be_used_stops_the_grid(grid, jobs):
    with pytest.raises(GridError, match=r"model\.safetensors: truncated \(needed by rte "):
        grid.run(jobs, lambda job: ("refused", "model.safetensors: truncated"))
    assert len(grid.workers.jobs) == 1


@pytest.mark.parametrize("number", sorted(MACHINE_ERRORS))
def test_a_fault_of_the_folder_stops_the_grid(grid, jobs, number):
    with pytest.raises(GridError, match=r"full \(.+\); every other run would fail too"):
        grid.run(jobs, lambda job: ("crashed", ("OSError: full", number)))
    assert grid.workers.jobs == jobs[:1]
    assert not jobs[0].run.folder.exists()


def test_a_fault_that_a_library_hides_is_named(grid, jobs):
    with pytest.raises(GridError, match=r"Error: no \(No space left on device\); every other run"):
        grid.run(jobs, lambda job: ("crashed", ("Error: no", errno.ENOSPC)))


def test_a_run_that_failed_to_learn_is_finished_and_no_crash(grid, jobs):
    def answer(job):
        job.run.folder.mkdir(parents=True)
        record = make_run_record(job.run, 0.0, status="failed")
        return "done", store_run_record(job.run, record)

    assert grid.run(jobs, answer).finished == 4
    assert all("(failed, " in line for line in grid.lines)


# ---------------------------------------------------------------- dead workers


class Deaths:
    """Answers like a worker that dies a number of times and then finishes every run."""

    def __init__(self, number):
        self._remaining = number

    def __call__(self, job):
        self._remaining -= 1
        return DEATH if self._remaining >= 0 else finish(job)


def test_the_job_of_a_dead_worker_is_retried_at_once(grid, jobs):
    assert grid.run(jobs, Deaths(1)).finished == 4
    assert grid.workers.jobs == [jobs[0], *jobs]


def test_a_death_is_reported(grid, jobs):
    grid.run(jobs, Deaths(1))
    assert grid.lines[0] == f"worker 0 died (SIGKILL); retrying {jobs[0].run.name} once"


def test_a_job_whose_worker_dies_twice_has_crashed(grid, jobs):
    outcome = grid.run(jobs, Deaths(2))
    assert (outcome.finished, outcome.crashed) == (3, [jobs[0]])


def test_a_second_death_names_the_log(grid, jobs, tmp_path):
    grid.run(jobs, Deaths(2))
    log = tmp_path / "logs" / "worker0.log"
    assert crash_of(jobs[0])["message"] == f"its worker died twice (SIGKILL); see {log}"


def test_a_worker_that_dies_after_the_record_has_finished_the_run(grid, jobs):
    def answer(job):
        finish(job)
        return DEATH

    assert grid.run(jobs, answer).finished == 4
    assert grid.workers.jobs == jobs


# ---------------------------------------------------------------- the end


def test_ctrl_c_ends_the_workers(grid, jobs):
    closed = []

    def interrupt(line):
        raise KeyboardInterrupt

    original = executor.Worker.close
    grid._patch.setattr(executor.Worker, "close", lambda w: (closed.append(w.number), original(w)))
    with pytest.raises(KeyboardInterrupt):
        grid.run(jobs, workers=2, say=interrupt)
    assert sorted(closed) == [0, 1]


def test_records_stay_as_the_workers_wrote_them(grid, jobs):
    grid.run(jobs)
    for job in jobs:
        assert names_in(job.run.folder) == {"result.json"}
        assert read_record(job.run.folder) == make_run_record(job.run)
