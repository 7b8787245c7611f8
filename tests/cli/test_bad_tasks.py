"""Tasks files and data files with random damage: a clear error, or none, and never a traceback."""

import contextlib
import random
import re

import pandas as pd
import pytest
import yaml

from stablebert.cli.main import main
from stablebert.config.own_tasks import TASKS_VARIABLE, use_tasks
from stablebert.glue.own_rows import read_own_rows
from stablebert.glue.rows import DataError
from stablebert.tasks import OwnData, Task
from stablebert.tasks.metrics import METRICS

ENTRY = {
    **{"data": "reviews", "text": ["review"], "label": "stars", "labels": ["bad", "good"]},
    **{"splits": {"train": "train.csv", "dev": "dev.csv"}, "metrics": ["f1"], "samples": 9},
    **{"rule": "hold_out", "held_out": 3, "longer_steps": 20, "title": "Reviews"},
}
WRONG = [None, 0, -1, 1.5, True, "", " ", "x", [], ["a", "a"], [[1]], {}, {"a": 1}, "\0", "é" * 99]
TASK = Task(
    *("mine", "mine", "mine", ("review",), ("bad", "good"), (METRICS["accuracy"],)),
    label_column="stars",
    own=OwnData("", ()),
)
FRAME = pd.DataFrame({"review": [f"so, {i}" for i in range(6)], "stars": ["bad", "good"] * 3})
WRITERS = {
    "csv": lambda file: FRAME.to_csv(file, index=False),
    "tsv": lambda file: FRAME.to_csv(file, index=False, sep="\t"),
    "jsonl": lambda file: FRAME.to_json(file, orient="records", lines=True),
    "parquet": lambda file: FRAME.to_parquet(file),
}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TASKS_VARIABLE, raising=False)
    yield
    use_tasks([])


def damage(content, rng):
    """Return bytes with one random edit."""
    start = rng.randrange(len(content))
    end = min(len(content), start + rng.randrange(1, 20))
    junk = [b"", b'"', b"\0", b"\xff", b"\n", b",", b"\t", b"{", b"[", b": ", b"- ", b"&a", b"*a"]
    return content[:start] + rng.choice(junk) + content[rng.choice([start, end]) :]


def is_accepted(capsys):
    """Return whether the tasks file is accepted; check that errors are lines that name it."""
    status = main(["config", "task=mine", "scale=mini", "--tasks", "mine.yaml"])
    lines = capsys.readouterr().err.splitlines()
    assert status in (0, 2)
    assert all(line.startswith("stablebert config: ") for line in lines)
    assert status == 0 or any("mine" in line for line in lines)
    return status == 0


def test_100_wrong_values_of_entries_are_refused(tmp_path, capsys):
    rng, refused = random.Random(0), 0
    for _ in range(300):
        entry = {**ENTRY, rng.choice([*ENTRY, "shade"]): rng.choice(WRONG)}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"tasks": {"mine": entry}}))
        refused += not is_accepted(capsys)
    assert refused >= 100


def test_50_damaged_tasks_files_are_refused(tmp_path, capsys):
    rng, refused = random.Random(1), 0
    content = yaml.safe_dump({"tasks": {"mine": ENTRY}}).encode()
    for _ in range(150):
        (tmp_path / "mine.yaml").write_bytes(damage(content, rng))
        refused += not is_accepted(capsys)
    assert refused >= 50


@pytest.mark.parametrize("suffix", WRITERS)
def test_damaged_data_files_are_read_or_refused(tmp_path, suffix):
    rng, file = random.Random(2), tmp_path / f"train.{suffix}"
    WRITERS[suffix](file)
    content = file.read_bytes()
    refused = 0
    for _ in range(100):
        file.write_bytes(damage(content, rng))
        with contextlib.suppress(DataError):
            read_own_rows(file, TASK)
            continue
        with pytest.raises(DataError, match=re.escape(str(file))):
            read_own_rows(file, TASK)
        refused += 1
    assert refused >= 25
