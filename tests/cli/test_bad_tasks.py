"""Bad tasks files, data files and SLURM options: a clear error, and never a traceback."""

import contextlib
import random
import re
from collections import Counter
from itertools import cycle, islice

import pandas as pd
import pytest
import yaml

from stablebert.cli.main import main
from stablebert.config.own_tasks import TASKS_VARIABLE, load_own_tasks
from stablebert.glue.own_rows import read_own_rows
from stablebert.glue.rows import DataError
from stablebert.tasks import OwnData, Task
from stablebert.tasks.metrics import METRICS
from tests.grid.test_slurm_options import CASES

ENTRY = {
    **{"data": "reviews", "text": ["review"], "label": "stars", "labels": ["bad", "good"]},
    **{"splits": {"train": "train.csv", "dev": "dev.csv"}, "metrics": ["f1"], "samples": 9},
    **{"rule": "hold_out", "held_out": 3, "longer_steps": 20, "title": "Reviews"},
}
METHOD = {"reinit": {"pooler": True}, "per_task": {"mine": {"optimizer": {"lr": 0.001}}}}
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
    load_own_tasks(None)


def damage(content, rng):
    """Return bytes with one random edit."""
    start = rng.randrange(len(content))
    end = min(len(content), start + rng.randrange(1, 20))
    junk = [b"", b'"', b"\0", b"\xff", b"\n", b",", b"\t", b"{", b"[", b": ", b"- ", b"&a", b"*a"]
    return content[:start] + rng.choice(junk) + content[rng.choice([start, end]) :]


def wrong_entries(folder, rng):
    """Yield commands with a tasks file of which one value may be wrong, in a task or a method."""
    while True:
        task, method = dict(ENTRY), dict(METHOD)
        entry = rng.choice([task, task, method])
        entry[rng.choice([*entry, "shade"])] = rng.choice(WRONG)
        content = {"tasks": {"mine": task}, "methods": {"gentle": method}}
        (folder / "mine.yaml").write_text(yaml.safe_dump(content))
        yield ["config", "task=mine", "scale=mini", "--tasks", "mine.yaml"], "mine"


def damaged_tasks_files(folder, rng):
    """Yield commands with a tasks file of which some bytes are changed."""
    content = yaml.safe_dump({"tasks": {"mine": ENTRY}, "methods": {"gentle": METHOD}}).encode()
    while True:
        (folder / "mine.yaml").write_bytes(damage(content, rng))
        yield ["config", "task=mine", "scale=mini", "--tasks", "mine.yaml"], "mine"


def damaged_data_files(folder, rng, model):
    """Yield commands with a data file that cannot be read or has a wrong row."""
    arguments = ["train", "task=mine", "scale=mini", f"model.name={model}", "--tasks", "tasks.yaml"]
    for suffix, write in cycle(WRITERS.items()):
        train = folder / f"train.{suffix}"
        write(train)
        files = {"train": train.name, "dev": "dev.csv"}
        entry = {"data": ".", "text": "review", "label": "stars", "labels": ["bad", "good"]}
        content = {"tasks": {"mine": entry | {"splits": files}}}
        (folder / "tasks.yaml").write_text(yaml.safe_dump(content))
        train.write_bytes(damage(train.read_bytes(), rng))
        with contextlib.suppress(DataError):
            read_own_rows(train, TASK)
            continue  # the damage is to text, and the command would train
        yield [*arguments, "paths.cache=cache"], str(train)


def wrong_slurm_options(rng):
    """Yield commands with an option that SLURM does not have, or with a wrong value."""
    for text in rng.sample(CASES, len(CASES)):
        arguments = ["grid", "table1", "scale=mini", "task=rte", "--on", "slurm"]
        yield [*arguments, f"--slurm={text}"], f"--slurm {ascii(text)[1:-1]:.5}"


def test_200_bad_inputs_give_200_clear_errors(tmp_path, capsys, tiny_bert):
    WRITERS["csv"](tmp_path / "dev.csv")
    rng, errors = random.Random(0), Counter()
    kinds = {
        "wrong entries": wrong_entries(tmp_path, rng),
        "damaged tasks files": damaged_tasks_files(tmp_path, rng),
        "damaged data files": damaged_data_files(tmp_path, rng, tiny_bert),
        "wrong SLURM options": wrong_slurm_options(rng),
    }
    for kind, commands in kinds.items():
        for arguments, place in islice(commands, 200):
            status = main(arguments)
            lines = capsys.readouterr().err.splitlines()
            prefix = f"stablebert {arguments[0]}: "
            problems = [line for line in lines if line.startswith(prefix)]
            assert status == (1 if "data" in kind else 2) if problems else status == 0
            assert all(place in problem for problem in problems), problems
            errors[kind] += bool(problems)
            if errors[kind] == 50:
                break
    assert errors == dict.fromkeys(kinds, 50)


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
