"""Grids in jobs of a real SLURM: whatever happens to a job, every run is there once.

A job that is lost costs at most the run that it was executing, which another job starts over.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from stablebert.cli.main import main
from stablebert.grid.worker import LEFT
from stablebert.runs.record import read_record
from tests.helpers.runs import check_is_complete, runs_of
from tests.helpers.slurm import (
    NODE,
    cancel_all,
    control,
    freeze_run,
    reason_to_skip,
    restarts,
    run_slurm,
    states,
    wait_for,
)
from tests.helpers.wandb_fixtures import *  # noqa: F403

REASON = reason_to_skip()
pytestmark = [pytest.mark.stress, pytest.mark.skipif(bool(REASON), reason=REASON or "")]
SCRIPTS = Path(__file__).parents[2] / "examples" / "slurm"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    with run_slurm(folder):
        yield folder


@pytest.fixture
def slurm(cluster):
    """Folder of a SLURM without jobs."""
    yield cluster
    cancel_all(cluster)


@pytest.fixture
def wait(slurm):
    """Function that waits until a condition holds."""
    return lambda condition: wait_for(condition, slurm)


@pytest.fixture
def arguments(sweep_arguments, monkeypatch):
    """Arguments of a sweep of four runs."""
    monkeypatch.setenv("PYTHONPATH", str(SCRIPTS.parents[1]))
    return sweep_arguments("task=rte", "trainer.max_steps=100")


@pytest.fixture
def submit(slurm, arguments, capsys):
    """Function that submits jobs, each with one worker, and returns their ids."""

    def submit(*flags):
        assert main(["grid", *arguments, "--on", "slurm", "--workers", "1", *flags]) == 0
        return re.findall(r"submitted job (\d+)", capsys.readouterr().out)

    return submit


@pytest.fixture
def check(arguments, wait, tmp_path):
    """Function that waits for the end of all jobs and checks runs and executions."""

    def check(*, lost):
        wait(lambda: not states())
        runs = runs_of(arguments)
        check_is_complete(runs)
        logs = "".join(path.read_text() for path in tmp_path.rglob("worker*.log"))
        lines = Counter(re.findall("^--- (.*)$", logs, flags=re.MULTILINE))
        executions = Counter({run.name: lines[run.name] - lines[run.name + LEFT] for run in runs})
        assert min(executions.values()) >= 1, executions
        assert executions.total() == len(runs) + lost, executions

    return check


@pytest.fixture
def freeze(wait, tmp_path):
    """Function that waits until each job executes a run, and stops the processes of these runs.

    The runs are then in progress until their jobs are killed, on a machine of any speed. The
    function returns the process and the folder of each run.
    """

    def freeze(*jobs):
        frozen = {}

        def freeze_others():
            for job in {*jobs} - frozen.keys():
                if run := freeze_run(tmp_path, job):
                    frozen[job] = run
            return len(frozen) == len(jobs)

        wait(freeze_others)
        return [frozen[job] for job in jobs]

    return freeze


def test_two_jobs_share_the_runs(submit, check, arguments):
    jobs = submit("--jobs", "2")
    assert len(jobs) == 2
    check(lost=0)
    assert {read_record(run.folder).job for run in runs_of(arguments)} <= {*jobs}


def test_no_more_jobs_than_runs_are_submitted(submit, check):
    assert len(submit("--jobs", "100", "--slurm", "cpus-per-task=1")) == 4
    check(lost=0)


def test_status_shows_runs_and_jobs(submit, check, freeze, arguments, capsys):
    (job,) = submit("--slurm", "gpus=1,time=10")
    [(process, _)] = freeze(job)
    done = sum(read_record(run.folder) is not None for run in runs_of(arguments))
    assert main(["grid", *arguments, "--status"]) == 0
    output = capsys.readouterr().out
    assert f"4 runs, {3 - done} planned, 1 running, {done} done, 0 crashed; left " in output
    assert f"1 job: {job} RUNNING {NODE}, 0 ended" in output
    os.kill(process, signal.SIGCONT)
    check(lost=0)
    assert main(["grid", *arguments, "--status"]) == 0
    output = capsys.readouterr().out
    assert "4 runs, 0 planned, 0 running, 4 done, 0 crashed\n1 job: 1 ended" in output


def test_a_refused_job_is_reported_with_the_answer_of_sbatch(slurm, arguments, capsys):
    assert main(["grid", *arguments, "--on", "slurm", "--slurm", "partition=none"]) == 1
    error = capsys.readouterr().err
    assert "sbatch refused the job" in error
    assert "invalid partition specified: none" in error
    assert "Traceback" not in error


def test_a_requeued_job_continues(submit, check, wait, freeze):
    (job,) = submit()
    freeze(job)
    control("scontrol", "requeue", job)
    wait(lambda: restarts(job) == 1)
    check(lost=1)


def test_the_run_of_a_canceled_job_is_taken_by_another(submit, check, freeze):
    (first,) = submit()
    [(_, run)] = freeze(first)
    (second,) = submit()
    control("scancel", first)
    check(lost=1)
    assert read_record(run).job == second


def test_a_job_at_its_time_limit_is_requeued(submit, check, wait, freeze):
    (job,) = submit("--slurm", "time=30")
    freeze(job)
    # less than the 120 seconds before the end at which the job is asked to stop
    control("scontrol", "update", f"jobid={job}", "endtime=now+90seconds")
    wait(lambda: restarts(job) == 1)
    control("scontrol", "update", f"jobid={job}", "timelimit=30")
    check(lost=1)


def test_a_node_that_goes_down_loses_one_run(submit, check, wait, freeze):
    (job,) = submit()
    freeze(job)
    control("scontrol", "update", f"nodename={NODE}", "state=down", "reason=test")
    wait(lambda: states().get(job) == "PENDING")
    control("scontrol", "update", f"nodename={NODE}", "state=resume")
    check(lost=1)
    assert restarts(job) == 1


@pytest.fixture
def preempt(wait, tmp_path):
    """Function that starts a job of higher priority on the whole node, and waits for its start.

    It returns the file that ends the job.
    """

    def preempt():
        end = tmp_path / "end"
        script = f"until [ -e {end} ]; do sleep 0.2; done"
        job = sbatch(tmp_path, "-p", "high", "-c", "8", "-o", "/dev/null", f"--wrap={script}")
        wait(lambda: states().get(job) == "RUNNING")
        return end

    return preempt


def test_a_preempted_job_continues_after_the_other_one(submit, check, freeze, preempt):
    (job,) = submit("--slurm", "partition=low,cpus-per-task=8")
    freeze(job)
    end = preempt()
    assert states().get(job) == "PENDING"
    end.touch()
    check(lost=1)
    assert restarts(job) == 1


# ---------------------------------------------------------------- the scripts in examples/slurm


@pytest.fixture
def checkout(tmp_path):
    """Folder with an environment to activate, in which `stablebert` is the one under test."""
    folder = tmp_path / "checkout"
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for script in SCRIPTS.iterdir():
        shutil.copy(script, folder)
    (binaries / "activate").write_text(f"PATH={binaries}:{Path(sys.executable).parent}:$PATH\n")
    command = f'#!/bin/sh\nexec {sys.executable} -m stablebert "$@"\n'
    (binaries / "stablebert").write_text(command)
    (binaries / "stablebert").chmod(0o755)
    return folder


def sbatch(checkout, *arguments):
    """Submit a script from the checkout; return the id of the job."""
    command = ["sbatch", "--parsable", *map(str, arguments)]
    return subprocess.run(
        command, cwd=checkout, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_an_array_of_jobs_runs_a_sweep(slurm, checkout, arguments, check):
    sbatch(checkout, "--array=1-2", "array.sbatch", *arguments, "--workers", "1")
    check(lost=0)


def test_a_requeued_array_continues(slurm, checkout, arguments, check, wait, freeze):
    job = sbatch(checkout, "--array=1-2", "array.sbatch", *arguments, "--workers", "1")
    freeze(f"{job}_1", f"{job}_2")
    control("scontrol", "requeue", job)
    wait(lambda: restarts(f"{job}_1") == restarts(f"{job}_2") == 1)
    check(lost=2)


def test_a_preempted_array_continues_after_the_other_job(
    slurm, checkout, arguments, check, freeze, preempt
):
    job = sbatch(checkout, "--array=1", "array.sbatch", *arguments, "--workers", "1")
    freeze(f"{job}_1")
    end = preempt()
    assert states().get(f"{job}_1") == "PENDING"
    end.touch()
    check(lost=1)


@pytest.fixture
def submit_agents(slurm, checkout, home, monkeypatch):
    """Function that submits jobs with agents of a new sweep against the loopback server."""

    def submit_agents(*, jobs, **values):
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            monkeypatch.delenv(name)
        for name, value in home.env.items():
            monkeypatch.setenv(name, value)
        path = home.create_sweep(home.write_sweep(task=["rte"], **values))
        return sbatch(checkout, f"--array=1-{jobs}", "agents.sbatch", path)

    return submit_agents


def test_agents_run_a_sweep_of_wandb(submit_agents, home, server, wait):
    submit_agents(jobs=2, seed=[0, 1, 2])
    wait(lambda: not states())
    assert [(run.state, run.handed_out) for run in server.runs()] == [("finished", 1)] * 3
    assert len(home.results()) == 3


def test_a_requeued_agent_continues_with_other_runs(submit_agents, home, server, wait, freeze):
    """SLURM kills the job that it requeues, so W&B does not learn of the end of its run."""
    job = submit_agents(jobs=1, **{"seed": [0, 1], "trainer.max_steps": [100]})
    freeze(f"{job}_1")
    control("scontrol", "requeue", job)
    wait(lambda: restarts(f"{job}_1") == 1)
    wait(lambda: not states())
    assert [run.state for run in server.runs()] == ["running", "finished"]
    assert len(home.results()) == 1
