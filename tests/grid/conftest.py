"""Fixtures for tests of grids: tiny runs, committed records, and scripted workers."""

import pytest

from stablebert.grid import executor
from stablebert.runs.run import Job
from tests.helpers.run_fixtures import *  # noqa: F403
from tests.helpers.runs import make_run
from tests.helpers.scripted_workers import Grid


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Folder of committed records, empty at first."""
    monkeypatch.setattr("stablebert.cli.arguments.RESULTS", tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def grid(monkeypatch):
    """Grid that checks other processes without waiting."""
    monkeypatch.setattr(executor, "POLL_SECONDS", 0.01)
    return Grid(monkeypatch)


@pytest.fixture
def jobs(tmp_path):
    """Jobs of four seeds."""
    return [Job(make_run(tmp_path, f"seed={seed}")) for seed in range(4)]
