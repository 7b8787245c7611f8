"""Grids and workers that are killed at random moments: every run is there once, with its result."""

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from stablebert.runs.record import read_record
from stablebert.training.lifecycle import train_run
from tests.helpers.processes import start_grid, workers_of
from tests.helpers.runs import SWEEP, check_is_complete, join_arguments, outcome_of, runs_of

pytestmark = pytest.mark.slow

WORKERS = 2


@pytest.fixture(scope="module")
def undisturbed(kill_arguments, tmp_path_factory):
    """The records of the same runs, trained here one after the other, by the key of the run."""
    arguments = kill_arguments(tmp_path_factory.mktemp("undisturbed"))
    return {run.key: outcome_of(train_run(run)) for run in runs_of(arguments)}


@pytest.fixture(scope="module")
def kill_arguments(run_defaults, tmp_path_factory):
    """Function that returns the arguments of a grid of eight runs of 20 steps in a folder."""
    path = tmp_path_factory.mktemp("sweep") / "tiny.yaml"
    path.write_text(SWEEP)
    defaults = {**run_defaults, "trainer.max_steps": 20}
    return lambda folder: [str(path), *join_arguments({**defaults, "paths.runs": folder}, [])]


class KilledGrid:
    """A grid that is killed again and again.

    Args:
        arguments: Its arguments.
        seed: Seed of the moments.

    Attributes:
        kills: Lines that say what was killed, and when.
        restarts: Number of executions that the kills explain.
    """

    def __init__(self, arguments, seed):
        self._arguments = arguments
        self._rng = random.Random(seed)
        (runs,) = {Path(run.cfg.paths.runs) for run in runs_of(arguments)}
        self._folder = runs
        self.kills = []
        self.restarts = 0

    def disturb(self):
        """Start the grid, kill one of its workers or none, and then the whole grid."""
        child = start_grid(self._arguments, "--workers", str(WORKERS))
        if self._rng.random() < 0.5:
            self._pass_time(child)
            self._kill_worker(child)
        self._pass_time(child)
        if child.poll() is None:
            self.kills.append("grid")
            self.restarts += WORKERS
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()

    def finish(self):
        """Rerun the grid; return its exit status and output."""
        child = start_grid(self._arguments, "--workers", str(WORKERS))
        output = "\n".join(child.communicate())
        return child.returncode, output

    def _pass_time(self, child):
        """Wait until some more runs have started, and up to the duration of a run longer."""
        target = len(self.executions()) + self._rng.randrange(4)
        while child.poll() is None and len(self.executions()) < target:
            time.sleep(0.02)
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=self._rng.uniform(0, 1))

    def _kill_worker(self, child):
        if workers := workers_of(child.pid):
            self.kills.append("worker")
            self.restarts += 1
            with suppress(ProcessLookupError):
                os.kill(self._rng.choice(workers), signal.SIGKILL)

    def executions(self):
        """Return the name of the run of each execution, in any order."""
        logs = [file.read_text() for file in self._folder.glob("logs/*.log")]
        return [name for log in logs for name in re.findall("^--- (.*)$", log, re.MULTILINE)]

    def finished(self):
        """Return when the record of each finished run was written, by the name of the run."""
        files = {run.name: run.folder / "result.json" for run in runs_of(self._arguments)}
        return {name: file.stat().st_mtime_ns for name, file in files.items() if file.exists()}


def check_survives(arguments, undisturbed, seed, rounds):
    """Kill a grid in several rounds, and compare what it leaves with an undisturbed one."""
    grid = KilledGrid(arguments, seed)
    finished, executions = {}, Counter()
    for _ in range(rounds):
        grid.disturb()
        again = (Counter(grid.executions()) - executions).keys() & finished.keys()
        assert not again, "executed although it had finished"
        assert grid.finished().items() >= finished.items(), "a record was lost or written again"
        finished, executions = grid.finished(), Counter(grid.executions())
    status, output = grid.finish()
    assert status == 0, output
    assert "Traceback" not in output
    outcomes = {run.key: outcome_of(read_record(run.folder)) for run in runs_of(arguments)}
    assert outcomes == undisturbed
    check_is_complete(runs_of(arguments))
    assert len(grid.executions()) <= len(undisturbed) + grid.restarts, grid.kills
    return grid.kills


@pytest.mark.parametrize(
    ("seed", "rounds"),
    [(0, 1), *(pytest.param(i, 3, marks=pytest.mark.stress) for i in range(1, 16))],
)
def test_a_grid_that_is_killed_at_random_moments_resumes(
    seed, rounds, kill_arguments, undisturbed, tmp_path, capsys
):
    kills = check_survives(kill_arguments(tmp_path), undisturbed, seed, rounds)
    with capsys.disabled():
        print(f"\nseed {seed}: {len(kills)} kills ({', '.join(kills)}), nothing lost or doubled")
