"""Runs that another process finishes, executes or gives up while a grid runs."""

import json
import threading

from stablebert.runs.claims import hold_claim
from tests.helpers.runs import store_run_record
from tests.helpers.scripted_workers import crash_of, finish


def test_a_finished_run_is_not_handed_out(grid, jobs):
    store_run_record(jobs[1].run)
    assert grid.run(jobs).finished == 4
    assert jobs[1] not in grid.workers.jobs


def test_a_run_that_another_process_finished_is_reported(grid, jobs):
    store_run_record(jobs[0].run)
    grid.run(jobs[:1])
    assert "(ok, elsewhere)" in grid.lines[0]


def test_a_run_that_another_process_starts_first_is_waited_for(grid, jobs):
    def answer(job):
        store_run_record(job.run)
        return "elsewhere", None

    assert grid.run(jobs, answer).finished == 4


def test_a_claimed_run_is_waited_for(grid, jobs):
    folder = jobs[0].run.folder
    folder.mkdir(parents=True)
    has_ended = threading.Event()

    def hold():
        with hold_claim(folder):
            is_held.set()
            others.wait()
            store_run_record(jobs[0].run)
        has_ended.set()

    def answer(job):
        if job == jobs[-1]:
            others.set()
        return finish(job)

    is_held, others = threading.Event(), threading.Event()
    threading.Thread(target=hold, daemon=True).start()
    is_held.wait()
    assert grid.run(jobs, answer).finished == 4
    has_ended.wait()
    assert grid.workers.jobs == jobs[1:]


def test_a_run_that_another_process_gives_up_is_taken_over(grid, jobs):
    claim = jobs[0].run.folder / "claim.json"
    claim.parent.mkdir(parents=True)
    with hold_claim(claim.parent):
        text = claim.read_text()
    holder = {**json.loads(text), "host": "node7"}
    claim.write_text(json.dumps(holder))

    def answer(job):
        claim.unlink(missing_ok=True)
        return finish(job)

    assert grid.run(jobs, answer).finished == 4
    assert grid.workers.jobs == [*jobs[1:], jobs[0]]


def test_a_waiting_grid_says_for_what_and_until_when(grid, jobs):
    claim = jobs[0].run.folder / "claim.json"
    claim.parent.mkdir(parents=True)
    claim.write_text('{"pid": "x"}')
    lines = []

    def say(line):
        lines.append(line)
        if line.startswith("waiting for"):
            claim.unlink()

    grid.run(jobs[:1], say=say)
    (line,) = [line for line in lines if line.startswith("waiting for")]
    assert jobs[0].run.name in line
    assert f"{claim} is damaged" in line
    assert "its claim expires at" in line


def test_a_run_that_crashes_in_another_process_has_crashed(grid, jobs):
    def answer(job):
        job.run.folder.mkdir(parents=True)
        (job.run.folder / "crash.json").write_text("{}")
        return "elsewhere", None

    assert grid.run(jobs, answer).crashed == jobs
    assert "crashed: in another process" in grid.lines[0]


def test_a_damaged_record_of_another_process_is_a_crash(grid, jobs):
    def answer(job):
        job.run.folder.mkdir(parents=True)
        (job.run.folder / "result.json").write_text("{")
        return "elsewhere", None

    outcome = grid.run(jobs[:1], answer)
    assert outcome.crashed == jobs[:1]
    assert "result.json" in crash_of(jobs[0])["message"]
