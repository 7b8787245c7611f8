"""What a sweep in Weights & Biases holds: its grid, how its runs ended, their records."""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from stablebert.config.sweep import Sweep, parse_sweep
from stablebert.errors import ActionableError
from stablebert.runs.location import Identities
from stablebert.runs.record import NAMES, Key, RunRecord, parse
from stablebert.tracking.mirror import base_url, probe, within

BAD = ("failed", "crashed", "killed")
OPEN = ("running", "pending", "preempting")
SECONDS = 600
"""Longest that a sweep of thousands of runs may take to be read."""


class SweepError(ActionableError):
    """A sweep in W&B cannot be read; the message says what to do."""


@dataclass
class Found:
    """A sweep as it stands in W&B."""

    sweep: Sweep
    states: dict[str, str] = field(default_factory=dict)
    """By run id and name."""
    records: list[RunRecord] = field(default_factory=list)
    """Of finished runs."""
    open: set[Key] = field(default_factory=set)
    """Runs that somebody executes now."""
    problems: list[str] = field(default_factory=list)
    """Finished runs whose summary is no record."""

    def bad(self) -> list[str]:
        """Runs that ended badly, in a line each."""
        return [f"{name}: {state}" for name, state in self.states.items() if state in BAD]


def find(path: str) -> Found:
    """Read a sweep and all its runs.

    Args:
        path: ENTITY/PROJECT/SWEEP.

    Raises:
        SweepError: no such sweep, nobody is logged in, or the server does not answer.
        ConfigError: it is no grid of ours.
    """
    _check(path)
    if silence := probe(base_url()):
        raise SweepError(f"W&B does not answer: {silence}")
    try:
        config, runs = within(SECONDS, partial(_ask, path))
    except Exception as error:  # the client raises its own, requests' and plain ones
        raise SweepError(f"{path}: {error} ({_advice(error)})") from error
    sweep_id = path.rpartition("/")[2]
    found = Found(parse_sweep(config.get("name") or sweep_id, config, path))
    for run in runs:
        name = f"{run.id} {run.name}"
        found.states[name] = run.state
        if run.state == "finished":
            try:
                found.records.append(_record(run.summary))
            except ValueError as error:
                found.problems.append(f"{name}: its summary is no record: {error}")
        elif run.state in OPEN and (key := _key(run.config)):
            found.open.add(key)
    return found


def _ask(path: str) -> tuple[dict[str, Any], list[Any]]:
    import wandb

    api: Any = wandb.Api(timeout=30)
    project, _, sweep_id = path.rpartition("/")
    config = api.sweep(path).config
    of_sweep = {"sweep": sweep_id}
    return config, list(api.runs(project, of_sweep, "+created_at", 100, lazy=False))


def _check(path: str) -> None:
    """Refuse what is no path of a sweep.

    Raises:
        SweepError: not ENTITY/PROJECT/SWEEP.
    """
    if not re.fullmatch(r"[^/\s]+/[^/\s]+/[^/\s]+", path):
        raise SweepError(
            f"{path}: a sweep is named ENTITY/PROJECT/SWEEP, as `wandb sweep` prints it"
        )


def fitting(found: Found) -> tuple[list[RunRecord], list[str]]:
    """Sort the records of a sweep into those that its grid expects, and reasons against the rest.

    Raises:
        ConfigError: the grid makes no sense.
        ContentError: data or model is neither at hand nor told by the records.
    """
    identities = Identities(found.records)
    runs = [identities.run(cfg) for cfg in found.sweep.runs()]
    expected = {run.key for run in runs}
    good: dict[Key, RunRecord] = {}
    refused = list(found.problems)
    for record in found.records:
        key = record.key
        said = f"{record.scale} {record.task} {record.method} {record.length} {record.config_id}"
        said += f" seed {record.seed}"
        if key not in expected:
            refused.append(f"{said}: the sweep's grid has no such run")
        elif key in good and _scores(good[key]) != _scores(record):
            refused.append(f"{said}: a second run with other scores; the first one counts")
        else:
            good.setdefault(key, record)
    return list(good.values()), refused


def lacking(found: Found, keys: Iterable[Key]) -> list[Key]:
    """Which of the runs have neither finished in the sweep nor are being executed."""
    have = {record.key for record in found.records} | found.open
    return [key for key in keys if key not in have]


def _record(summary: Any) -> RunRecord:
    """The record that a finished run has put into its summary."""
    return parse(
        json.dumps({name: summary[name] for name in NAMES if name in summary}, default=dict)
    )


def _key(config: dict[str, Any]) -> Key | None:
    seed = config.get("seed")
    seeds = [
        seed if config.get(name) is None else config[name] for name in ("seed_init", "seed_data")
    ]
    if not isinstance(config.get("config_id"), str) or not all(isinstance(s, int) for s in seeds):
        return None
    return (config["config_id"], *seeds)


def _scores(record: RunRecord) -> tuple[float, ...]:
    return record.val_best, record.test_at_best, record.test_at_last


def _advice(error: Exception) -> str:
    if "api_key" in str(error).lower() or "login" in str(error).lower():
        return "`wandb login`, or set WANDB_API_KEY"
    where = os.environ.get("WANDB_BASE_URL", "the server that WANDB_BASE_URL names")
    return f"is it there, on {where}?"
