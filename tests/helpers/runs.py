"""Tiny runs and sweeps for tests: their arguments, their files, and runs that are never trained."""

import json
from dataclasses import asdict
from pathlib import Path

from stablebert.config.compose import compose
from stablebert.config.sweep import read_sweep
from stablebert.glue.sources import Source
from stablebert.hub import Content
from stablebert.runs.claims import is_claimed
from stablebert.runs.locate import identify, locate
from stablebert.runs.record import read_record, serialize_record
from stablebert.runs.run import LocatedRun, Run
from stablebert.tasks import TASKS
from tests.helpers.records import make_cell, make_record

DATA, MODEL = "sha256:0123", "org/bert@c0ffee"
"""Identities of data and model in runs that are never trained."""
FINISHED = {"config.yaml", "history.jsonl", "predictions.parquet", "result.json"}
"""Names of the files of a finished run."""

SWEEP = """
program: stablebert
method: grid
command: ["${env}", "${interpreter}", "-m", "stablebert", "train", "${args_no_hyphens}"]
parameters:
  task: {values: [rte, cola]}
  method: {values: [standard, reinit]}
  seed: {values: [0, 1]}
  trainer.max_steps: {value: 4}
  trainer.evaluations: {value: 2}
  trainer.threads: {value: 1}
"""
"""A sweep of eight runs of four steps each."""
SEEDS = """
method: grid
command: [stablebert, train, "${args_no_hyphens}"]
parameters: {seed: {values: [0, 1, 2]}}
"""
"""A sweep of three seeds."""


def join_arguments(defaults, overrides):
    """Return KEY=VALUE arguments, each key once; an empty value leaves its key out."""
    values = {**defaults, **dict(override.split("=", 1) for override in overrides)}
    return [f"{key}={value}" for key, value in values.items() if value != ""]


# ---------------------------------------------------------------- runs that are never trained


def make_run(runs="runs", *overrides, start=None):
    """Return a located run whose data and model do not exist.

    Args:
        runs: Folder of the records.
        overrides: KEY=VALUE arguments.
        start: Run that it starts from.
    """
    cfg = compose(["scale=mini", f"paths.runs={runs}", *overrides])
    data, model = Content(DATA), Content(MODEL)
    run = identify(cfg, data=DATA, model=MODEL, start=start)
    source = Source(TASKS[cfg.task], data, {}, held_out=1000)
    return LocatedRun(cfg, run.config_id, run.folder, source, Path("absent"), model, start)


def make_run_record(run: Run, score=0.7, **changes):
    """Return a record of a run with the same score everywhere."""
    cfg = run.cfg
    cell = make_cell(cfg.task, cfg.method, cfg.length, cfg.scale)
    values = {
        "config_id": run.config_id,
        "steps": 20,
        "seconds": {"load": 1.0, "train": 2.0},
        "data": DATA,
        "model": MODEL,
    }
    return make_record(cell, run.seeds, score, **{**values, **changes})


def store_run_record(run, record=None):
    """Write the record of a run into its folder, and return it."""
    record = record or make_run_record(run)
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "result.json").write_text(json.dumps(serialize_record(record)))
    return record


# ---------------------------------------------------------------- files of trained runs


def folder_of(arguments):
    """Return the folder of the run that the arguments describe."""
    return locate(compose(arguments)).folder


def record_of(arguments):
    """Return the record of the run that the arguments describe; None if it has not finished."""
    return read_record(folder_of(arguments))


def history_of(folder):
    """Return the lines of a run's history."""
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def names_in(folder):
    """Return the names of the files in a folder."""
    return {file.name for file in folder.iterdir()}


def runs_of(sweep):
    """Return the runs of a sweep, given its file and KEY=VALUES arguments."""
    path, *overrides = sweep
    return [locate(cfg) for cfg in read_sweep(path).narrow(overrides).configs()]


def outcome_of(record):
    """Return what a record says about its run, without its times, memory and versions."""
    values = asdict(record)
    for name in ("seconds", "peak_memory_bytes", "versions"):
        del values[name]
    if values["start"]:
        del values["start"]["seconds"]
    return values


def check_is_complete(runs):
    """Check that every run has one complete record, its history, and no other file."""
    for run in runs:
        names = names_in(run.folder)
        if not is_claimed(run.folder):
            names -= {"claim.json"}  # its holder was killed between the record and the release
        assert names == FINISHED, run.folder
        record = read_record(run.folder)
        assert (record.task, record.method) == (run.cfg.task, run.cfg.method)
        assert history_of(run.folder)[-1]["step"] == record.steps
