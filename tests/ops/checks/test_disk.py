import os
from pathlib import Path

import pytest

from stablebert.config.compose import compose
from stablebert.ops.checks import disk
from stablebert.ops.checks.disk import check_disk


@pytest.fixture
def check(tmp_path):
    """Function that checks a folder of runs that does not exist yet, and a cache that does."""
    cfg = compose([f"paths.runs={tmp_path}/new/runs", f"paths.cache={tmp_path}"])
    return lambda: list(check_disk(cfg))


def refuse(*_):
    raise PermissionError(1, "Operation not permitted")


def test_folders_that_can_be_written_are_fine(check):
    assert [finding.level for finding in check()] == ["ok", "ok"]


def test_the_trial_leaves_nothing(check, tmp_path):
    check()
    assert list(tmp_path.iterdir()) == []


def test_missing_hard_links_are_a_note(check, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "link", refuse)
    runs, _ = check()
    assert (runs.level, "no hard links" in runs.text) == ("note", True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_where_files_cannot_be_renamed_is_a_problem(check, monkeypatch):
    monkeypatch.setattr(Path, "replace", refuse)
    runs, _ = check()
    assert runs.level == "problem"
    assert "Operation not permitted: set paths.runs" in runs.text


def test_a_folder_that_cannot_be_created_is_a_problem(tmp_path):
    (tmp_path / "file").touch()
    cfg = compose([f"paths.runs={tmp_path}/file/runs", f"paths.cache={tmp_path}"])
    runs, _ = check_disk(cfg)
    assert runs.level == "problem"
    assert f"paths.runs={tmp_path}/file/runs: {tmp_path}/file: Not a directory" in runs.text


def test_a_disk_without_room_is_a_note(check, monkeypatch):
    monkeypatch.setattr(disk, "ENOUGH_BYTES", float("inf"))
    assert ["not enough" in f.text for f in check() if f.level == "note"] == [True, True]
