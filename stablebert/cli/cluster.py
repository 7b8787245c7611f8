"""The options of `stablebert grid` about jobs of a cluster."""

import argparse
from pathlib import Path

from stablebert.cli.arguments import grid_arguments, grid_command, positive_int
from stablebert.cli.streams import print_errors
from stablebert.config.own_tasks import tasks_flags
from stablebert.config.sweep import Sweep
from stablebert.errors import ConfigError
from stablebert.grid.clock import Clock
from stablebert.grid.cluster import ClusterWorker, Scheduler, record_job, recorded_jobs
from stablebert.grid.plan import Plan
from stablebert.grid.slurm import Slurm, SlurmError, check_slurm
from stablebert.grid.slurm_options import ALLOWED, SlurmOptions
from stablebert.grid.status import describe_jobs, describe_runs
from stablebert.runs.files import CRASH
from stablebert.text import count_of


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `grid`."""
    parser.add_argument(
        "--on",
        choices=["local", "slurm"],
        default="local",
        help="where to run: this machine (default), or jobs of a SLURM cluster",
    )
    parser.add_argument(
        "--jobs", type=positive_int, metavar="N", help="with --on slurm: number of jobs (default 1)"
    )
    parser.add_argument(
        "--slurm",
        action="append",
        metavar="KEY=VALUE,...",
        help=f"with --on slurm: resources of each job; keys: {', '.join(ALLOWED)}",
    )
    parser.add_argument(
        "--status", action="store_true", help="show the state of runs and jobs, and stop"
    )


def parse_cluster_options(options: argparse.Namespace) -> SlurmOptions | None:
    """Return the resources of each job; None without jobs.

    Raises:
        ConfigError: If options are invalid, or exclude each other.
        SlurmError: If jobs cannot be submitted from this machine.
    """
    if options.on == "local":
        flags = {"--jobs": options.jobs, "--slurm": options.slurm}
        problems = [f"{flag} needs --on slurm" for flag, value in flags.items() if value]
        if problems:
            raise ConfigError(problems)
        return None
    excluded = {
        "--page": (options.page is not None, "jobs cannot share a page; use stablebert report"),
        "--shard": (options.shard != "1/1", "jobs share all runs; use --jobs N"),
        "--missing-of": (options.missing_of, "use it with --on local"),
        "--status": (options.status, "--status submits nothing; leave --on slurm out"),
    }
    problems = [f"{flag} --on slurm: {why}" for flag, (given, why) in excluded.items() if given]
    if problems:
        raise ConfigError(problems)
    slurm = SlurmOptions.parse(options.slurm or [])
    if not options.dry_run:
        check_slurm()
    return slurm


def submit_workers(
    options: argparse.Namespace, sweep: Sweep, slurm: SlurmOptions, *, count: int
) -> None:
    """Submit jobs, each of which takes missing runs of the sweep until it is complete."""
    flags = []
    if options.workers:
        flags += ["--workers", str(options.workers)]
    if options.workers_per_gpu > 1:
        flags += ["--workers-per-gpu", str(options.workers_per_gpu)]
    if options.prune:
        flags += ["--prune", options.prune]
    worker = ClusterWorker((*grid_arguments(options), *flags, *tasks_flags()))
    folder = _jobs_folder(sweep)
    scheduler: Scheduler = Slurm(folder, name=f"stablebert-{sweep.name}", options=slurm)
    jobs = recorded_jobs(folder)
    if states := scheduler.states(jobs):
        print(f"submitted before: {describe_jobs(jobs, states)}")
    for _ in range(count):
        job_id = scheduler.submit(worker)
        record_job(folder, job_id)
        print(f"submitted job {job_id}")
    print(f"logs: {folder}\nprogress: {grid_command(options)} --status")


def print_status(sweep: Sweep, plan: Plan, clock: Clock) -> int:
    """Print the state of the runs and jobs of a sweep; return 1 if runs crashed."""
    folder = _jobs_folder(sweep)
    jobs = recorded_jobs(folder)
    try:
        states = Slurm(folder, name="", options=SlurmOptions()).states(jobs)
    except SlurmError as error:
        states = []
        print_errors([str(error)])
    print(f"{sweep.name}: {describe_runs(plan, clock, states)}")
    if jobs:
        print(f"{count_of(len(jobs), 'job')}: {describe_jobs(jobs, states)}; logs: {folder}")
    print_errors(f"crashed: {run.folder / CRASH}" for run in plan.crashed)
    return 1 if plan.crashed else 0


def _jobs_folder(sweep: Sweep) -> Path:
    """Return the folder of the scripts, logs and ids of the jobs of a sweep."""
    return sweep.roots[0] / "slurm" / sweep.name
