"""The options of `stablebert grid` about jobs of a cluster, without a cluster."""

import argparse

import pytest

from stablebert.cli import cluster
from stablebert.cli.main import main
from stablebert.config.own_tasks import TASKS_VARIABLE
from stablebert.config.sweep import read_sweep
from stablebert.grid import slurm
from stablebert.grid.cluster import ClusterWorker, JobState, record_job, recorded_jobs
from stablebert.grid.slurm import Slurm, SlurmError
from stablebert.grid.slurm_options import SlurmOptions

OVERRIDES = ["scale=demo", "task=rte", "paths.runs=runs"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--jobs", "2"], "--jobs needs --on slurm"),
        (["--slurm", "time=4"], "--slurm needs --on slurm"),
        (["--on", "slurm", "--page"], "--page --on slurm: jobs cannot share a page"),
        (["--on", "slurm", "--shard", "1/2"], "--shard --on slurm: jobs share all runs"),
        (["--on", "slurm", "--missing-of", "a/b/c"], "--missing-of --on slurm: use it with"),
        (["--on", "slurm", "--status"], "--status --on slurm: --status submits nothing"),
        (["--on", "slurm", "--slurm", "gpu=1"], "did you mean gpus?"),
    ],
)
def test_options_that_exclude_each_other_are_refused(flags, message, capsys):
    assert main(["grid", "table1", "scale=demo", *flags]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--on", "lsf"], ["--on", "slurm", "--jobs", "0"]])
def test_invalid_values_are_refused(flags, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["grid", "table1", *flags])
    assert flags[-1] in capsys.readouterr().err


def test_without_submitit_the_command_that_installs_it_is_named(monkeypatch, capsys):
    monkeypatch.setattr(slurm, "find_spec", lambda name: None)
    assert main(["grid", "table1", "scale=demo", "--on", "slurm"]) == 1
    assert "pip install 'stablebert[slurm]'" in capsys.readouterr().err


def test_without_the_commands_of_slurm_a_login_node_is_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(slurm, "find_spec", lambda name: True)
    monkeypatch.setenv("PATH", "")
    assert main(["grid", "table1", "scale=demo", "--on", "slurm"]) == 1
    error = capsys.readouterr().err
    assert "sbatch, srun, squeue not found in PATH" in error
    assert "login node" in error


def test_a_folder_that_slurm_would_rename_is_refused(tmp_path):
    pytest.importorskip("submitit")
    scheduler = Slurm(tmp_path / "50%j", name="tiny", options=SlurmOptions())
    with pytest.raises(SlurmError, match="SLURM replaces % in the names of logs"):
        scheduler.submit(ClusterWorker(("table1",)))


def test_status_without_jobs_needs_no_cluster(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", "")
    runs = f"paths.runs={tmp_path}"
    assert (
        main(["grid", "table1", "scale=demo", "task=rte", "seed=0", runs, "--fresh", "--status"])
        == 0
    )
    output = capsys.readouterr().out
    assert output == (
        "table1: 4 runs, 4 planned, 0 running, 0 done, 0 crashed; "
        "nothing is running: submit jobs to continue\n"
    )


def test_jobs_of_several_submissions_are_remembered(tmp_path):
    assert recorded_jobs(tmp_path) == []
    for job_id in ("12", "13"):
        record_job(tmp_path, job_id)
    assert recorded_jobs(tmp_path) == ["12", "13"]


class Queue:
    """A scheduler that never starts the jobs that it takes."""

    def __init__(self):
        self.workers = []

    def open(self, folder, *, name, options):
        folder.mkdir(parents=True, exist_ok=True)
        return self

    def submit(self, worker):
        self.workers.append(worker)
        return str(len(self.workers))

    def states(self, job_ids):
        return [JobState(job_id, "PENDING", "(Priority)") for job_id in job_ids]


@pytest.fixture
def queue(monkeypatch, tmp_path):
    """Queue of the cluster; tmp_path is the folder of submission and of the runs."""
    queue = Queue()
    monkeypatch.setattr(cluster, "Slurm", queue.open)
    monkeypatch.chdir(tmp_path)
    return queue


def submit(count, **values):
    """Submit jobs with options of the command line."""
    options = {"fresh": False, "workers": None, "workers_per_gpu": 1, "prune": None, **values}
    options = argparse.Namespace(sweep="table1", overrides=OVERRIDES, **options)
    sweep = read_sweep("table1").narrow(OVERRIDES)
    cluster.submit_workers(options, sweep, SlurmOptions(), count=count)


def test_a_job_takes_the_arguments_and_the_tasks_of_the_command(queue, monkeypatch, tmp_path):
    monkeypatch.setenv(TASKS_VARIABLE, str(tmp_path / "mine.yaml"))
    submit(2, fresh=True, workers=3, workers_per_gpu=2, prune="0.5/3")
    flags = ["--workers", "3", "--workers-per-gpu", "2", "--prune", "0.5/3"]
    arguments = ("table1", *OVERRIDES, "--fresh", *flags, "--tasks", "mine.yaml")
    assert queue.workers == [ClusterWorker(arguments)] * 2
    assert recorded_jobs(tmp_path / "runs" / "slurm" / "table1") == ["1", "2"]


def test_jobs_that_were_submitted_before_are_shown(queue, capsys):
    submit(1)
    assert "submitted before" not in capsys.readouterr().out
    submit(1)
    assert "submitted before: 1 PENDING (Priority), 0 ended\n" in capsys.readouterr().out
