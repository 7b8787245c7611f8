"""A run as far as its files are available: finished, crashed, in progress or interrupted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from stablebert.config.files import flatten
from stablebert.errors import ConfigError
from stablebert.filesystem import read_bytes
from stablebert.report.cells import task_title
from stablebert.report.records import ReportError
from stablebert.runs.claims import CLAIM, describe_claim, is_claimed
from stablebert.runs.files import CHECKPOINT, CONFIG, CRASH, HISTORY, PREDICTIONS, RESULT
from stablebert.runs.history import History, parse_history
from stablebert.runs.predictions import (
    RowPredictions,
    RunPredictions,
    digest_of,
    parse_predictions,
)
from stablebert.runs.record import RunRecord, check_location, parse_record
from stablebert.runs.strict_json import parse_object
from stablebert.yaml_files import load_yaml

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ShownRun:
    """A run, and what is available of it."""

    place: str
    """Its folder, or where its record is."""
    state: str
    """`finished`, `crashed`, ..., with the reason or the process."""
    record: RunRecord | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    """Values of the configuration by dotted key; empty if it is not available."""
    history: History = field(default_factory=dict)
    predictions: RunPredictions = field(default_factory=dict)
    crash: Mapping[str, Any] = field(default_factory=dict)
    """Content of crash.json."""
    notes: tuple[str, ...] = ()
    """Missing or damaged files, one line each."""

    @property
    def name(self) -> str:
        """Name in titles: `demo-rte reinit 3epochs seed 3`."""
        if self.record:
            r = self.record
            return f"{task_title(r.task, r.scale)} {r.method} {r.length} seed {r.seeds}"
        if not self.config:
            return self.place
        scale, task, method, length, seed = (
            str(self.config.get(key)) for key in ("scale", "task", "method", "length", "seed")
        )
        return f"{task_title(task, scale)} {method} {length} seed {seed}"

    @property
    def test(self) -> RowPredictions | None:
        """Predictions of the test rows with the best weights, or else with the last ones."""
        return self.predictions.get("test_at_best") or self.predictions.get("test_at_last")

    @property
    def test_weights(self) -> str:
        """Weights that gave them."""
        return "best" if "test_at_best" in self.predictions else "last"


def is_run_folder(folder: Path) -> bool:
    """Return whether a folder holds a file of a run."""
    return any((folder / name).exists() for name in (RESULT, CRASH, CONFIG, CLAIM))


def read_run(folder: Path) -> ShownRun:
    """Read the files of a run; those that are missing or damaged are named in its notes.

    Raises:
        ReportError: If its record is damaged.
    """
    notes: list[str] = []
    record = _read_record(folder, notes)
    crash = None if record else _read(folder / CRASH, parse_object, notes)
    return ShownRun(
        place=str(folder),
        state=_state(folder, record, crash),
        record=record,
        config=_read_config(folder / CONFIG, notes),
        history=_read_history(folder, notes, has_ended=bool(record or crash)),
        predictions=_read_predictions(folder / PREDICTIONS, record, notes) if record else {},
        crash=crash or {},
        notes=tuple(notes),
    )


def _read_record(folder: Path, notes: list[str]) -> RunRecord | None:
    path = folder / RESULT
    try:
        record = parse_record(read_bytes(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ReportError(f"{path}: {error}; force=true runs it again") from error
    try:
        check_location(record, str(folder))
    except ValueError as error:
        notes.append(f"{path}: {error}; reports skip it here")
    return record


def _state(folder: Path, record: RunRecord | None, crash: Mapping[str, Any] | None) -> str:
    if is_claimed(folder):
        state = f"in progress: {describe_claim(folder)}"
        return f"finished, and {state}" if record else state
    if record:
        return "finished"
    if crash:
        step = crash.get("step")  # the grid does not know that of a worker that died
        return "crashed" if step is None else f"crashed at step {step}"
    aim = "resume" if (folder / CHECKPOINT).exists() else "start over"
    return f"interrupted: it has no record; rerun the command to {aim}"


def _read(
    path: Path, parse: Callable[[bytes], T], notes: list[str], *, needed: bool = False
) -> T | None:
    """Return the content of a file; None if it is absent or damaged."""
    try:
        return parse(read_bytes(path))
    except FileNotFoundError:
        if needed:
            notes.append(f"{path} is absent")
    except (OSError, ValueError) as error:
        notes.append(f"{path}: {error}")
    return None


def _read_history(folder: Path, notes: list[str], *, has_ended: bool) -> History:
    """Return the history of a run; that of one in progress as far as it is written."""
    drafts = [] if has_ended else list(folder.glob(f"{HISTORY}.*.part"))
    for draft in drafts:
        return _read(draft, _parse_complete_lines, notes) or {}
    return _read(folder / HISTORY, parse_history, notes, needed=has_ended) or {}


def _parse_complete_lines(content: bytes) -> History:
    return parse_history(content[: content.rfind(b"\n") + 1])


def _read_config(path: Path, notes: list[str]) -> Mapping[str, Any]:
    try:
        content = load_yaml(path)
        if isinstance(content, dict):
            return flatten(content)
        notes.append(f"{path}: expected keys with values")
    except FileNotFoundError:
        notes.append(f"{path} is absent")
    except (OSError, ConfigError) as error:
        notes.append(str(error))
    return {}


def _read_predictions(path: Path, record: RunRecord, notes: list[str]) -> RunPredictions:
    """Return the predictions of a record; none if they are another run's or another training's."""
    runs = _read(path, parse_predictions, notes, needed=True) or {}
    predictions = runs.get(record.key, {})
    if runs and digest_of(predictions) != record.predictions_digest:
        notes.append(f"{path}: not the predictions of the record: their digest differs")
        return {}
    return predictions
