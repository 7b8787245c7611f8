"""The record of a run: what it holds, where it lies, how it is written so that none is ever torn.

Torch-free: a table is read from thousands of these.
"""

import errno
import json
import os
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any
from uuid import uuid4

from stablebert.errors import ActionableError

Metrics = dict[str, float | None]
RESULT, CRASH, HISTORY, CONFIG = "result.json", "crash.json", "history.jsonl", "config.yaml"
ENCODER = "encoder"
"""Folder of the model that a run leaves where others start from it."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}
"""Errors of the folder, not of the run: every further run would meet them too."""


Key = tuple[str, int, int]
"""What tells runs apart: `config_id`, `seed_init`, `seed_data`."""


class RecordError(ActionableError):
    """A record that cannot be read: half-written, damaged, or of another version."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One finished training. Scores are in 0..1 (correlations in -1..1); times in seconds."""

    task: str
    method: str
    length: str
    scale: str
    seed: int
    seed_init: int
    """Seed of head and re-initialised weights: `seed`, unless studied apart."""
    seed_data: int
    """Seed of data order and dropout masks: `seed`, unless studied apart."""
    config_id: str
    metric: str
    """Name of the reported metric, whose values are the scores below."""
    status: str
    """`ok`, or `failed`: NaN, or at the last step no better than the majority class on dev."""
    val_best: float
    val_best_step: int | None
    """Optimizer step of the best validation; None when every one was NaN."""
    test_at_best: float
    test_at_last: float
    metrics: dict[str, Metrics]
    """Every metric of the task: `val_at_best`, `test_at_best`, `test_at_last`, `dev_at_last`."""
    majority: dict[str, float]
    """Score of the majority class on `val`, `test` and the whole `dev` set."""
    predictions: dict[str, dict[str, float]]
    """Number of predictions per class (mean, std, min, max for STS-B) in the same places."""
    splits: dict[str, dict[str, Any]]
    """`rows`, `source` and `fingerprint` of `train`, `val` and `test`."""
    steps: int
    skipped_steps: int
    """Optimizer steps that fp16 skipped for an overflow."""
    evaluations: int
    precision: str
    """As obtained, not as asked for."""
    packing: str
    padding_efficiency: float
    """Share of real tokens in the padded training batches."""
    threads: int
    seconds: dict[str, float]
    """Wall time by phase: `load`, `train`, `validate`, `test`."""
    peak_memory_bytes: int
    """Of the GPU, or of the process on a CPU."""
    device: str
    data: str
    """Content of the data: hub commit or digest."""
    model: str
    """Content of the model: hub commit or digest."""
    versions: dict[str, str | None]
    start: dict[str, Any] | None = None
    """`task`, `config_id`, `val_best` and `seconds` of the run whose encoder it started from."""

    @property
    def key(self) -> Key:
        """What tells it from other runs."""
        return self.config_id, self.seed_init, self.seed_data


def summary(record: RunRecord) -> str:
    """The scores of a record in one line, x 100."""
    return (
        f"{record.task} {record.method} {record.length} seed {record.seed} ({record.status}): "
        f"test {record.metric} {100 * record.test_at_best:.1f} with the weights of step "
        f"{record.val_best_step} (val {100 * record.val_best:.1f}), "
        f"{100 * record.test_at_last:.1f} with the last"
    )


def run_folder(
    root: Path,
    *,
    scale: str,
    task: str,
    method: str,
    config_id: str,
    seed_init: int,
    seed_data: int,
) -> Path:
    """Folder of one run: `<root>/<scale>/<task>/<method>/<config_id>/seed<k>`.

    `init<i>-data<j>` stands in place of `seed<k>` where the two differ (Appendix B).
    """
    seeds = f"seed{seed_data}" if seed_init == seed_data else f"init{seed_init}-data{seed_data}"
    return root / scale / task / method / config_id / seeds


def write_text(path: Path, text: str, *, replace: bool = True) -> bool:
    """Write a file whole or not at all; False if one is there already and must not be replaced."""
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with part.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            part.replace(path)
            return True
        try:
            os.link(part, path)  # fails where a record stands: the first writer wins
        except FileExistsError:
            return False
        except OSError:  # no hard links on this file system: nearly as safe
            if path.exists():
                return False
            part.replace(path)
        return True
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, data: dict[str, Any], *, replace: bool = True) -> bool:
    """`write_text` of JSON.

    Raises:
        ValueError: a NaN or an infinity, which JSON does not know.
    """
    return write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n", replace=replace)


def read_record(folder: Path) -> RunRecord | None:
    """Read the record of a run; None where none is finished.

    Raises:
        RecordError: the file is there, but is not a whole record of this version.
    """
    path = folder / RESULT
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise RecordError(f"{path}: {error}; force=true makes it anew") from error


def parse(text: str | bytes) -> RunRecord:
    """Read one record.

    Raises:
        ValueError: not JSON, or not a whole record of this version.
    """
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"not a record but a {type(data).__name__}")
    if data.keys() != NAMES and data.keys() != NAMES - _LATER:
        raise ValueError(f"not a record of this version, differs in {sorted(NAMES ^ set(data))}")
    wrong = [name for name in _TEXTS if not isinstance(data[name], str)]
    wrong += [name for name in _NUMBERS if not _is_number(data[name])]
    for name, needed in _GROUPS.items():
        if not isinstance(data[name], dict) or not needed <= data[name].keys():
            wrong.append(name)
    if wrong:
        raise ValueError(f"{', '.join(f'{name}={data[name]!r}' for name in wrong)} makes no sense")
    return RunRecord(**data)


NAMES = frozenset(field.name for field in fields(RunRecord))
"""Of everything that a record holds."""
_LATER = {"start"}
"""What older records lack."""
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
