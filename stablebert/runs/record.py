"""The record of a run (`result.json`): its fields, parsing and validation.

Nothing here imports torch: a table is built from thousands of records.
"""

import json
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from stablebert.errors import ActionableError
from stablebert.filesystem import read_bytes
from stablebert.runs.files import RESULT
from stablebert.runs.seeds import Seeds

Metrics = dict[str, float | None]
"""Metric values by name; None for a NaN."""
Key = tuple[str, Seeds]
"""Identity of a run: `config_id` and seeds."""


class RecordError(ActionableError):
    """A record cannot be read: it is truncated, damaged, or from another version."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One finished training. Scores are in 0..1 (correlations in -1..1), times in seconds."""

    task: str
    method: str
    length: str
    scale: str
    seed: int
    seed_init: int
    """Seed of the head and re-initialized weights; equals `seed` unless set separately."""
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
    """Score of the majority class on `val`, `test` and the whole `dev` set."""
    predictions: dict[str, Metrics]
    """Number of predictions per class (mean, std, min, max for STS-B) in the same places."""
    splits: dict[str, dict[str, Any]]
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
    start: dict[str, Any] | None = None
    """`task`, `config_id`, `val_best` and `seconds` of the run whose encoder it started from."""
    pruned_from: list[list[int]] | None = None
    """Seeds of all runs of the cell among which seed pruning selected this one, as [init, data];
    None if nothing was selected."""
    data_address: str | None = None
    """`<hub id>@<commit>` of the data, as information; None for a folder and for the demo."""
    model_address: str | None = None
    """`<hub id>@<commit>` of the model, likewise."""

    @property
    def seeds(self) -> Seeds:
        """The two seeds."""
        return Seeds(self.seed_init, self.seed_data)

    @property
    def key(self) -> Key:
        """Identity of the run."""
        return self.config_id, self.seeds


def read_record(folder: Path) -> RunRecord | None:
    """Read the record of a run; return None if the run has not finished.

    Raises:
        RecordError: If the file exists but is not a complete record of this version.
    """
    path = folder / RESULT
    try:
        return parse_record(read_bytes(path))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise RecordError(f"{path}: {error}; force=true runs it again") from error


def parse_record(text: str | bytes) -> RunRecord:
    """Parse one record.

    Raises:
        ValueError: If the text is not JSON, or not a complete record of this version.
    """
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"expected a record, got a {type(data).__name__}")
    if not FIELDS - _OPTIONAL <= data.keys() <= FIELDS:
        raise ValueError(f"not a record of this version; differs in {sorted(FIELDS ^ set(data))}")
    invalid = [name for name in _TEXTS if not isinstance(data[name], str)]
    invalid += [name for name in _NUMBERS if not _is_number(data[name])]
    for name, required_keys in _GROUPS.items():
        if not isinstance(data[name], dict) or not required_keys <= data[name].keys():
            invalid.append(name)
    if invalid:
        invalid_values = ", ".join(f"{name}={data[name]!r}" for name in invalid)
        raise ValueError(f"invalid values: {invalid_values}")
    return RunRecord(**data)


FIELDS = frozenset(field.name for field in fields(RunRecord))
"""Names of all fields of a record."""
_OPTIONAL = {"start", "pruned_from", "data_address", "model_address"}
"""Fields that older records lack."""
_TEXTS = (
    *("task", "method", "length", "scale", "config_id", "metric", "status", "precision"),
    *("packing", "device", "data", "model"),
)
_NUMBERS = ("seed", "seed_init", "seed_data", "val_best", "test_at_best", "test_at_last")
_GROUPS: dict[str, set[str]] = {
    "metrics": {"val_at_best", "test_at_best", "test_at_last", "dev_at_last"},
    "majority": {"val", "test", "dev"},
    "splits": {"train", "val", "test"},
    "seconds": set(),
    "versions": set(),
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
