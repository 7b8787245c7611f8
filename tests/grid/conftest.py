"""Fixtures for tests that train tiny runs."""

import pytest

from tests.helpers.run_fixtures import *  # noqa: F403


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Folder of committed records, empty at first."""
    monkeypatch.setattr("stablebert.cli.arguments.RESULTS", tmp_path / "results")
    return tmp_path / "results"
