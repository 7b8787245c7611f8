"""Files of a run are written whole or not at all, and the first writer of a record wins."""

import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stablebert.runs.files import run_folder, write_json, write_text
from stablebert.runs.seeds import Seeds


@pytest.fixture
def no_hard_links(monkeypatch):
    """Let the file system refuse hard links."""

    def refuse(*_):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


@pytest.fixture(params=["with hard links", "without hard links"])
def path(request, tmp_path):
    """Path of a record on a file system with or without hard links."""
    if request.param == "without hard links":
        request.getfixturevalue("no_hard_links")
    return tmp_path / "result.json"


def test_the_first_of_several_writers_wins(tmp_path):
    path = tmp_path / "result.json"
    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(lambda i: write_json(path, {"by": i}, replace=False), range(8)))
    assert sum(wins) == 1
    assert json.loads(path.read_text()) == {"by": wins.index(True)}


def test_a_record_is_written_once(path):
    assert write_text(path, "first", replace=False)
    assert not write_text(path, "second", replace=False)
    assert path.read_text() == "first"


def test_a_file_is_replaced_on_request(path):
    write_text(path, "first")
    assert write_text(path, "second")
    assert path.read_text() == "second"


def test_no_partial_file_remains(path):
    write_text(path, "first", replace=False)
    write_text(path, "second", replace=False)
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_alone(path, monkeypatch):
    write_text(path, "old")

    def fail(_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_lacks_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "result.json", {"score": value})
    assert list(tmp_path.iterdir()) == []


RUN = {"scale": "mini", "task": "rte", "method": "reinit", "config_id": "0a1b2c"}


def test_the_folder_of_a_run_names_its_configuration_and_seeds():
    folder = run_folder(Path("runs"), **RUN, seeds=Seeds(0, 3))
    assert folder == Path("runs/mini/rte/reinit/0a1b2c/init0-data3")
