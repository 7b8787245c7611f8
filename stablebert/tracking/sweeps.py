"""A sweep stored in Weights & Biases: its grid, the states of its runs and their records."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from stablebert.config.sweep import Sweep, parse_sweep
from stablebert.errors import ActionableError
from stablebert.runs.identities import Identities
from stablebert.runs.record import FIELDS, Key, RunRecord, parse_record
from stablebert.runs.seeds import Seeds
from stablebert.runs.strict_json import DIGEST
from stablebert.timeouts import run_with_timeout
from stablebert.tracking.client import server_url, usage_problem

FAILED = ("failed", "crashed", "killed")
UNFINISHED = ("running", "pending", "preempting")
READ_SECONDS = 600
"""Time limit for reading a sweep; one of thousands of runs takes minutes."""


class SweepError(ActionableError):
    """A sweep in W&B cannot be read; the message says what to do."""


@dataclass
class WandbSweep:
    """A sweep in W&B: its configuration, and the state of every run that it has handed out."""

    path: str
    """ENTITY/PROJECT/SWEEP."""
    config: Mapping[str, Any]
    """Content of the sweep file, as W&B stores it."""
    states: dict[str, str] = field(default_factory=dict)
    """W&B state of each run, by the run's W&B id and name."""
    records: list[RunRecord] = field(default_factory=list)
    """Records of the finished runs."""
    unfinished_keys: set[Key] = field(default_factory=set)
    """Runs that an agent is executing."""
    problems: list[str] = field(default_factory=list)
    """Finished runs whose summary is not a record, one line each."""

    @property
    def name(self) -> str:
        """Name of the sweep, or its id if it has none."""
        return str(self.config.get("name") or self.path.rpartition("/")[2])

    @cached_property
    def grid(self) -> Sweep:
        """The sweep as a grid of stablebert runs.

        Raises:
            ConfigError: If it is another kind of sweep.
        """
        return parse_sweep(self.name, self.config, self.path)

    def failures(self) -> list[str]:
        """Return one line for each failed, crashed or killed run."""
        return [f"{name}: {state}" for name, state in self.states.items() if state in FAILED]


def read_wandb_sweep(path: str) -> WandbSweep:
    """Read a sweep and all of its runs from W&B.

    Args:
        path: ENTITY/PROJECT/SWEEP.

    Raises:
        SweepError: If there is no such sweep, nobody is logged in, or the server does not answer.
    """
    if not re.fullmatch(r"[^/\s]+/[^/\s]+/[^/\s]+", path):
        raise SweepError(f"{path}: expected ENTITY/PROJECT/SWEEP, as printed by `wandb sweep`")
    if problem := usage_problem():
        raise SweepError(f"W&B cannot be used: {problem}")
    try:
        config, runs = run_with_timeout(READ_SECONDS, partial(_query, path))
    except Exception as error:  # the client raises its own errors, those of requests and plain ones
        raise SweepError(f"{path}: {error} ({_advice(error)})") from error
    sweep = WandbSweep(path, config)
    for run in runs:
        name = f"{run.id} {run.name}"
        sweep.states[name] = run.state
        if run.state == "finished":
            try:
                sweep.records.append(_record(run.summary))
            except ValueError as error:
                sweep.problems.append(f"{name}: the summary is not a record: {error}")
        elif run.state in UNFINISHED and (key := _key(run.config)):
            sweep.unfinished_keys.add(key)
    return sweep


def select_expected_records(sweep: WandbSweep) -> tuple[list[RunRecord], list[str]]:
    """Return the records that the sweep's grid expects, and why each other record is rejected.

    Raises:
        ConfigError: If the grid is invalid.
        ContentError: If data or model is unavailable and the records do not identify it.
    """
    identities = Identities(sweep.records)
    expected_keys = {identities.run(cfg).key for cfg in sweep.grid.configs()}
    selection: dict[Key, RunRecord] = {}
    rejections = list(sweep.problems)
    for record in sweep.records:
        key = record.key
        name = f"{record.scale} {record.task} {record.method} {record.length} {record.config_id}"
        name += f" seed {record.seeds}"
        if key not in expected_keys:
            rejections.append(f"{name}: the sweep's grid has no such run")
        elif key in selection and _scores(selection[key]) != _scores(record):
            rejections.append(f"{name}: a second run with different scores; the first one counts")
        else:
            selection.setdefault(key, record)
    return list(selection.values()), rejections


def missing_keys(sweep: WandbSweep, keys: Iterable[Key]) -> list[Key]:
    """Return the keys of runs that the sweep has neither finished nor is executing."""
    present_keys = {record.key for record in sweep.records} | sweep.unfinished_keys
    return [key for key in keys if key not in present_keys]


def _query(path: str) -> tuple[dict[str, Any], list[Any]]:
    """Return the configuration and the runs of a sweep."""
    import wandb

    api: Any = wandb.Api(timeout=30)
    project, _, sweep_id = path.rpartition("/")
    config = api.sweep(path).config
    filters = {"sweep": sweep_id}
    return config, list(api.runs(project, filters, "+created_at", 100, lazy=False))


def _record(summary: Any) -> RunRecord:
    """Return the record that a finished run stored in its summary.

    Raises:
        ValueError: If the summary is not a record.
    """
    fields = {name: summary[name] for name in (*FIELDS, DIGEST) if name in summary}
    try:
        return parse_record(json.dumps(fields, default=dict))
    except (TypeError, RecursionError) as error:  # no JSON either
        raise ValueError(str(error)) from error


def _key(config: dict[str, Any]) -> Key | None:
    """Return the key of a run from its W&B configuration, or None if it holds no key."""
    config_id, seed = config.get("config_id"), config.get("seed")
    seed_init, seed_data = (
        seed if config.get(name) is None else config[name] for name in ("seed_init", "seed_data")
    )
    if not (isinstance(config_id, str) and isinstance(seed_init, int)):
        return None
    return (config_id, Seeds(seed_init, seed_data)) if isinstance(seed_data, int) else None


def _scores(record: RunRecord) -> tuple[float, ...]:
    return record.val_best, record.test_at_best, record.test_at_last


def _advice(error: Exception) -> str:
    if "api_key" in str(error).lower() or "login" in str(error).lower():
        return "`wandb login`, or set WANDB_API_KEY"
    return f"does it exist on {server_url()}?"
