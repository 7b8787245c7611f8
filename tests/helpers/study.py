"""A finished search whose runs were never trained, and what commands make of its records."""

import contextlib
import csv
import io
import json
import random
import shutil
from functools import cache

from stablebert.cli import arguments, reports, runs, sweeps
from stablebert.cli.main import main
from stablebert.config import files
from stablebert.config.serialize import to_yaml
from stablebert.config.sweep import read_sweep
from stablebert.errors import ActionableError
from stablebert.grid import pruning
from stablebert.grid.executor import GridOutcome
from stablebert.runs.early_score import EarlyScore, write_early_score
from stablebert.runs.files import CONFIG, CRASH, HISTORY, RESULT
from stablebert.runs.locate import locate
from stablebert.runs.record import serialize_record
from stablebert.runs.run import early_score_file
from tests.config.conftest import CACHES
from tests.helpers.runs import make_run_record

SEARCH = """\
method: grid
command: [stablebert, train, "${args_no_hyphens}"]
parameters:
  task: {values: [rte, cola]}
  method: {value: reinit}
  reinit.num_layers: {values: [1, 2]}
  seed: {values: [0, 1, 2]}
  scale: {value: demo}
"""
COMMITTED_SEED = 2
"""Seed of the runs whose records are lines of a committed file."""


class WouldTrainError(ActionableError):
    """The command line is valid, the run has no record, and it would begin."""


class Study:
    """A search of twelve finished runs that were never trained, in the current folder.

    Args:
        home: An empty folder.
        patch: pytest's monkeypatch.
    """

    def __init__(self, home, patch):
        self.home = home
        shutil.copytree(files.CONF, home / "conf")
        (home / "search.yaml").write_text(SEARCH)
        patch.chdir(home)
        for module in (files, reports):
            patch.setattr(module, "CONF", home / "conf")
        patch.setattr(arguments, "RESULTS", home / "results")
        patch.setattr(runs, "_train", self._do_not_train)
        for module in (sweeps, pruning):
            patch.setattr(module, "run_grid", self._run_grid)
        self.runs = {run.key: run for run in map(locate, read_sweep("search.yaml").configs())}
        rng = random.Random(0)
        self.records = {
            key: make_run_record(
                run, 0.6 + rng.random() / 3, data=run.source.identity, model=run.model_identity
            )
            for key, run in self.runs.items()
        }
        self.committed = home / "results/demo/search.jsonl"
        self.reference = cache(self._reference)

    @staticmethod
    def _do_not_train(*_):
        raise WouldTrainError("would train")

    def _run_grid(self, jobs, **_):
        """Leave what workers leave of jobs, without training them."""
        for job in jobs:
            if job.stop_after:
                self.store_early_score(job.run)
            else:
                _store(job.run, self.records[job.run.key])
                (job.run.folder / CRASH).unlink(missing_ok=True)
        return GridOutcome(len(jobs))

    def store_early_score(self, run):
        """Store the score of a run after half of its steps, and return the file."""
        run.folder.mkdir(parents=True, exist_ok=True)
        score = self.records[run.key].val_best / 2
        write_early_score(run, 0.5, EarlyScore(10, 20, score, 1.5))
        return early_score_file(run, 0.5)

    def write(self, without=()):
        """Write every file of the study, except for the records of some runs."""
        for name in ("runs", "results", "reports", "conf"):
            shutil.rmtree(self.home / name, ignore_errors=True)
        shutil.copytree(files.PACKAGE.parent / "conf", self.home / "conf")
        self.reread_settings()
        self.committed.parent.mkdir(parents=True)
        lines = []
        for key, run in self.runs.items():
            if run.cfg.seed == COMMITTED_SEED:
                lines += [] if key in without else [json.dumps(serialize_record(self.records[key]))]
            elif key not in without:
                _store(run, self.records[key])
        self.committed.write_text("".join(f"{line}\n" for line in lines))

    def reread_settings(self):
        """Let commands notice changes to conf/, as those of a new process do."""
        for cached in CACHES:
            cached.cache_clear()

    def command(self, *argv):
        """Run a command, and return its status, output and errors."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            status = main(list(argv))
        assert "Traceback" not in errors.getvalue() + output.getvalue(), errors.getvalue()
        return status, output.getvalue(), errors.getvalue()

    def read(self):
        """Return what reports and exports show: the cells and the records, by command."""
        report = self.command("report", "search.yaml", "--full")
        collect = self.command("collect", "all.csv", "runs", "results")
        cells = list(csv.DictReader((self.home / "reports/search.csv").open()))
        rows = list(csv.DictReader((self.home / "all.csv").open()))
        return {"report": cells, "collect": sorted(rows, key=str)}, report, collect

    def _reference(self, lost_keys):
        """Return what commands show of a study that never had the records of some runs."""
        self.write(without=lost_keys)
        return self.read()[0]


def _store(run, record):
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / RESULT).write_text(json.dumps(serialize_record(record), indent=1))
    (run.folder / CONFIG).write_text(to_yaml(run.cfg))
    (run.folder / HISTORY).write_text('{"step": 9, "train/loss": 0.5}\n{"step": 20}\n')
