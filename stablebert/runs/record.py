"""The record of a run (`result.json`): its fields, their digest, and what is checked in reading.

Nothing here imports torch: a table is built from thousands of records.
"""

import os
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from stablebert.errors import ActionableError
from stablebert.filesystem import read_bytes
from stablebert.runs.files import RESULT, run_folder
from stablebert.runs.seeds import Seeds
from stablebert.runs.strict_json import (
    CHANGED,
    LIMIT,
    describe_mismatches,
    parse_object,
    pop_digest,
    shorten,
    with_digest,
)
from stablebert.tasks.metrics import METRICS, is_metric_key, lowest_and_highest

Metrics = dict[str, float | None]
"""Metric values by name; None for a NaN."""
Key = tuple[str, Seeds]
"""Identity of a run: `config_id` and seeds."""


class RecordError(ActionableError):
    """A record cannot be used: it is damaged, of another run, or from another version."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One finished training. Scores are in 0..1 (correlations in -1..1), times in seconds."""

    task: str
    method: str
    length: str
    scale: str
    seed: int
    seed_init: int
    """Seed of the weights drawn before training; equals `seed` unless set separately."""
    seed_data: int
    """Seed of data order and dropout masks; equals `seed` unless set separately."""
    config_id: str
    metric: str
    """Name of the reported metric, which gives the scores below."""
    status: str
    """`ok`, or `failed`: NaN, or at the last step no better than the majority class on dev."""
    val_best: float
    val_best_step: int | None
    """Optimizer step of the best validation; None if every validation score was NaN."""
    test_at_best: float
    test_at_last: float
    metrics: dict[str, Metrics]
    """Every metric of the task at `val_at_best`, `test_at_best`, `test_at_last`, `dev_at_last`."""
    majority: dict[str, float]
    """Score of the majority class on `val`, `test` and the whole `dev` set; `dev_accuracy` is its
    accuracy, if the metric is a class of torchmetrics."""
    predictions: dict[str, Metrics]
    """Number of predictions per class (mean, std, min, max for STS-B) in the same places."""
    splits: dict[str, dict[str, int | str]]
    """`rows`, `source` and `fingerprint` of `train`, `val` and `test`."""
    steps: int
    skipped_steps: int
    """Optimizer steps that fp16 skipped because of an overflow."""
    evaluations: int
    precision: str
    """Precision obtained, which may differ from the one requested."""
    packing: str
    padding_efficiency: float
    """Fraction of real tokens in padded training batches."""
    threads: int
    seconds: dict[str, float]
    """Wall time by phase: `load`, `train`, `validate`, `test`."""
    peak_memory_bytes: int
    """Peak memory of the GPU, or of the process on a CPU."""
    device: str
    data: str
    """Identity of the data's content: a digest; in older records a commit of the hub."""
    model: str
    """Identity of the model's content, likewise."""
    versions: dict[str, str | None]
    start: dict[str, str | float] | None = None
    """`task`, `config_id`, `seed`, `val_best` and `seconds` of the run whose encoder it started
    from."""
    pruned_from: list[list[int]] | None = None
    """Seeds of all runs of the cell among which seed pruning selected this one, as [init, data];
    None if nothing was selected."""
    data_address: str | None = None
    """`<hub id>@<commit>` of the data, as information; None for a folder and for the demo."""
    model_address: str | None = None
    """`<hub id>@<commit>` of the model, likewise."""
    predictions_digest: str | None = None
    """Digest of the content of predictions.parquet; None in records that are older than it."""
    node: str | None = None
    """Name of the machine; None in older records."""
    job: str | None = None
    """Id of the SLURM job that executed it; None outside of one, and in older records."""
    gpu_seconds: float | None = None
    """Wall time on a GPU, which other runs may share; 0 on a CPU, None in older records."""

    @property
    def seeds(self) -> Seeds:
        """The two seeds."""
        return Seeds(self.seed_init, self.seed_data)

    @property
    def key(self) -> Key:
        """Identity of the run."""
        return self.config_id, self.seeds

    @property
    def folder(self) -> Path:
        """Folder of the run, below that of all runs."""
        return run_folder(
            Path(),
            scale=self.scale,
            task=self.task,
            method=self.method,
            config_id=self.config_id,
            seeds=self.seeds,
        )


# ---------------------------------------------------------------- reading and writing


def serialize_record(record: RunRecord) -> dict[str, Any]:
    """Return what is stored of a record: its fields and their digest."""
    return with_digest(asdict(record))


def read_record(folder: Path, name: str = RESULT) -> RunRecord | None:
    """Read the record of a run; return None if the run has not finished.

    Args:
        folder: Folder of the run.
        name: Name of the file.

    Raises:
        RecordError: If the file exists but is not a complete record of this version and run.
    """
    path = folder / name
    try:
        record = parse_record(read_bytes(path))
        check_location(record, str(folder), follow_links=False)
    except (ValueError, OSError) as error:
        is_absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        if is_absent and not path.is_symlink():
            return None
        advice = "force=true runs it again, and so does `stablebert grid --retry-crashed`"
        if folder.is_symlink():  # to force it would write into the folder of another run
            advice = f"{folder} is a link; delete it to execute this run in its own folder"
        raise RecordError(f"{path}: {error}; {advice}") from error
    return record


def parse_record(text: str | bytes) -> RunRecord:
    """Parse and check one record: a result.json, a committed line, or a summary in W&B.

    Raises:
        ValueError: If the text is not JSON, or not a complete record of this version; or if its
            values have another type, contradict each other or do not match its digest.
    """
    data = parse_object(text)
    has_changed = pop_digest(data)
    if data.keys() != FIELDS and not FIELDS - _OPTIONAL <= data.keys() <= FIELDS:
        raise ValueError(f"not a record of this version; differs in {sorted(FIELDS ^ data.keys())}")
    invalid = describe_mismatches(data, _HINTS)
    invalid += [
        f"{name}={shorten(data[name])}"
        for name, required_keys in _GROUPS.items()
        if isinstance(data[name], dict) and not required_keys <= data[name].keys()
    ]
    if invalid:
        raise ValueError(f"invalid values: {', '.join(invalid)}")
    record = RunRecord(**data)
    problems = list(_contradictions(record))
    if has_changed:
        problems.append(CHANGED)
    if problems:
        raise ValueError("; ".join(problems))
    return record


def check_location(record: RunRecord, folder: str, *, follow_links: bool = True) -> None:
    """Check that a record lies in the folder of its run.

    Args:
        record: The record.
        folder: Its folder.
        follow_links: Whether a link to the folder of the run counts as that folder. It does not
            where a run counts as done because its folder holds a record.

    Raises:
        ValueError: If the folder is another run's, or none of a run.
    """
    parts = [record.scale, record.task, record.method, record.config_id, record.seeds.folder]
    paths = (os.path.abspath, os.path.realpath) if follow_links else (os.path.abspath,)
    if all(path(folder).split(os.sep)[-len(parts) :] != parts for path in paths):
        raise ValueError(f"not in the folder of its run, which is {'/'.join(parts)}")


FIELDS = frozenset(field.name for field in fields(RunRecord))
"""Names of all fields of a record."""
_OPTIONAL = {field.name for field in fields(RunRecord) if field.default is not MISSING}
"""Fields that older records lack."""
_HINTS = get_type_hints(RunRecord)
_GROUPS: dict[str, set[str]] = {
    "metrics": {"val_at_best", "test_at_best", "test_at_last", "dev_at_last"},
    "majority": {"val", "test", "dev"},
    "splits": {"train", "val", "test"},
}


# ---------------------------------------------------------------- contradictions


def _contradictions(record: RunRecord) -> Iterator[str]:
    """Yield what cannot be true of a record, one text each."""
    if not is_metric_key(record.metric):
        yield f"metric={shorten(record.metric)} is not one of {', '.join(METRICS)}"
        return
    if record.status not in ("ok", "failed"):
        yield f"status={shorten(record.status)} is neither ok nor failed"
    if any(len(pair) != 2 for pair in record.pruned_from or ()):
        yield f"pruned_from={shorten(record.pruned_from)} does not consist of pairs"
    yield from _scores_out_of_range(record)
    reported = {"val_best": "val_at_best"} | {k: k for k in ("test_at_best", "test_at_last")}
    for name, place in reported.items():
        score, metrics = getattr(record, name), record.metrics[place]
        # a run without a number has score 0
        if record.metric not in metrics or score != (metrics[record.metric] or 0):
            yield (
                f"{name}={score} contradicts metrics.{place}.{record.metric}="
                f"{metrics.get(record.metric)}"
            )
    for name, (value, low, high) in _bounded_values(record).items():
        if not low <= value <= high:
            yield f"{name}={shorten(value)} is not from {low} to {high}"


def _scores_out_of_range(record: RunRecord) -> Iterator[str]:
    rounding = 1e-6  # torchmetrics computes in float32
    scores: dict[str, tuple[str, float | None]] = {
        f"majority.{split}": (record.metric, x) for split, x in record.majority.items()
    }
    for place, metrics in record.metrics.items():
        scores |= {f"metrics.{place}.{name}": (name, x) for name, x in metrics.items()}
    for key, (name, score) in scores.items():
        low, high = lowest_and_highest(name, reported=record.metric)
        if not is_metric_key(name):
            yield f"{key} is not one of {', '.join(METRICS)}"
        elif score is not None and not low - rounding <= score <= high + rounding:
            yield f"{key}={score} is not from {low} to {high}"


def _bounded_values(record: RunRecord) -> dict[str, tuple[float, float, float]]:
    """Return values with their lowest and highest possible value, by name."""
    seed = 2**32 - 1
    step = 1 if record.val_best_step is None else record.val_best_step
    bounds: dict[str, tuple[float, float, float]] = {
        "seed": (record.seed, 0, seed),
        "seed_init": (record.seed_init, 0, seed),
        "seed_data": (record.seed_data, 0, seed),
        "steps": (record.steps, 1, LIMIT),
        "val_best_step": (step, 1, record.steps),
        "skipped_steps": (record.skipped_steps, 0, record.steps),
        "evaluations": (record.evaluations, 0, LIMIT),
        "threads": (record.threads, 1, LIMIT),
        "padding_efficiency": (record.padding_efficiency, 0, 1),
        "peak_memory_bytes": (record.peak_memory_bytes, 0, LIMIT),
    }
    if record.gpu_seconds is not None:
        bounds["gpu_seconds"] = (record.gpu_seconds, 0, LIMIT)
    for name, seconds in record.seconds.items():
        bounds[f"seconds.{name}"] = (seconds, 0, LIMIT)
    for name, split in record.splits.items():
        rows = split.get("rows")
        bounds[f"splits.{name}.rows"] = (rows if isinstance(rows, int) else 0, 1, LIMIT)
    return bounds
