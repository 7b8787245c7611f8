"""Records are written whole or not at all, and read back as what they are."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stablebert.runs.files import run_folder, write_json
from stablebert.runs.record import RecordError, read_record
from stablebert.training.loggers import HistoryLogger


def test_first_writer_wins(tmp_path):
    path = tmp_path / "result.json"
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: write_json(path, {"by": i}, replace=False), range(8)))
    assert sum(won) == 1
    assert json.loads(path.read_text()) == {"by": won.index(True)}
    assert not write_json(path, {"by": "late"}, replace=False)
    assert json.loads(path.read_text()) == {"by": won.index(True)}
    assert write_json(path, {"by": "forced"})
    assert json.loads(path.read_text()) == {"by": "forced"}
    assert [f.name for f in tmp_path.iterdir()] == ["result.json"]


def test_nan_never_reaches_a_record(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "result.json", {"score": math.nan})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", '{"task": "rt', "[]", '{"task": "rte"}'])
def test_a_damaged_record_is_named(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(RecordError, match=r"result\.json"):
        read_record(tmp_path)


def test_no_record_is_none(tmp_path):
    assert read_record(tmp_path) is None


def test_folder_of_a_run():
    where = {"scale": "mini", "task": "rte", "method": "reinit", "config_id": "0a1b2c"}
    base = Path("runs/mini/rte/reinit/0a1b2c")
    assert run_folder(Path("runs"), **where, seed_init=0, seed_data=0) == base / "seed0"
    assert run_folder(Path("runs"), **where, seed_init=0, seed_data=3) == base / "init0-data3"


def test_history_is_one_line_per_step(tmp_path):
    history = HistoryLogger(tmp_path / "history.jsonl")
    history.log_metrics({"train/loss": 1.5}, step=1)
    history.log_metrics({"val/score": math.nan}, step=1)
    history.log_metrics({"train/loss": math.inf}, step=2)
    assert not (tmp_path / "history.jsonl").exists()
    history.complete()
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert lines == [
        {"step": 1, "train/loss": 1.5, "val/score": None},
        {"step": 2, "train/loss": None},
    ]
