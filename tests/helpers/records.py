"""Cells and records made by hand, for tests of reports."""

import csv
import io
import json
from dataclasses import replace

from stablebert.report.cells import Cell
from stablebert.report.join import join_records
from stablebert.runs.record import RunRecord, serialize_record
from stablebert.runs.seeds import Seeds
from stablebert.tasks import TASKS


def make_seeds(seeds):
    """Seeds of runs, each given as one number or as a pair."""
    pairs = [seed if isinstance(seed, tuple) else (seed, seed) for seed in seeds]
    return tuple(Seeds(*pair) for pair in pairs)


def make_cell(
    task="rte",
    method="standard",
    length="3epochs",
    scale="mini",
    seeds=(0, 1),
    paper_model=None,
    **params,
):
    """A cell whose `config_id` spells out its parameters."""
    identity = {"task": task, "method": method, "length": length, "scale": scale}
    config = "-".join([*identity.values(), *(f"{k}={v}" for k, v in params.items())])
    return Cell(
        **identity,
        params=identity | params,
        config_id=config,
        paper_model=paper_model,
        seeds=make_seeds(seeds),
    )


def make_record(cell, seed=0, score=0.7, val=None, **changes):
    """A record of a cell with the same score in all places, of one seed or a pair of seeds."""
    (seeds,) = make_seeds([seed])
    task = TASKS[cell.task]
    scores = {
        "val_at_best": score if val is None else val,
        "test_at_best": changes.get("test_at_best", score),
        "test_at_last": changes.get("test_at_last", score),
        "dev_at_last": score,
    }
    rows = {"train": 2490, "val": 138, "test": 139}
    sources = {"train": "train", "val": "train" if task.holds_out else "dev", "test": "dev"}
    record = RunRecord(
        task=cell.task,
        method=cell.method,
        length=cell.length,
        scale=cell.scale,
        seed=seeds.data,
        seed_init=seeds.init,
        seed_data=seeds.data,
        config_id=cell.config_id,
        metric=task.metric.key,
        status="ok",
        val_best=scores["val_at_best"],
        val_best_step=9,
        test_at_best=score,
        test_at_last=score,
        metrics={place: {m.key: x for m in task.metrics} for place, x in scores.items()},
        majority={"val": 0.529, "test": 0.525, "dev": 0.527},
        predictions={"dev_at_last": {"entailment": 146, "not_entailment": 131}},
        splits={
            name: {"rows": n, "source": sources[name], "fingerprint": "y"}
            for name, n in rows.items()
        },
        steps=96,
        skipped_steps=0,
        evaluations=11,
        precision="32-true",
        packing="padded",
        padding_efficiency=0.9,
        threads=1,
        seconds={"train": 1.0},
        peak_memory_bytes=1,
        device="a CPU",
        data="sha256:0123456789abcdef",
        model="org/bert@fedcba9876543210",
        versions={"commit": "c0ffee", "torch": "2.13"},
    )
    return replace(record, **changes)


def store_record(root, record):
    """Write a record where a run leaves it, and return the path of the file."""
    folder = root / record.folder
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(serialize_record(record)))
    return folder / "result.json"


def join_scores(**scores):
    """Results of one cell per method, given its test scores by seed."""
    cells = {name: make_cell(method=name, seeds=range(len(x))) for name, x in scores.items()}
    records = [
        make_record(cells[name], i, y) for name, x in scores.items() for i, y in enumerate(x)
    ]
    return join_records(list(cells.values()), records).results


def read_csv(path):
    """Rows of a CSV file as dictionaries."""
    return list(csv.DictReader(io.StringIO(path.read_text())))


def table_lines(text, title):
    """Lines of one table in plain text, single-spaced, without the rule under the head."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(title))
    end = next(i for i in range(first, len(lines)) if not lines[i])
    return [" ".join(line.split()) for line in lines[first + 1 : end] if set(line) != {"-"}]
