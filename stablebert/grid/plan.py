"""The plan of a sweep: its runs that are done, missing or crashed."""

import heapq
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from stablebert.config.schema import RunConfig
from stablebert.errors import ConfigError
from stablebert.runs.claims import ClaimedError, hold_claim
from stablebert.runs.files import CRASH, RESULT, publish
from stablebert.runs.identities import ContentError, Identities
from stablebert.runs.record import Key, RecordError, RunRecord, read_record
from stablebert.runs.run import Run


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep by state; each run is in exactly one list."""

    done: list[Run] = field(default_factory=list)
    missing: list[Run] = field(default_factory=list)
    crashed: list[Run] = field(default_factory=list)
    unidentified: list[RunConfig] = field(default_factory=list)
    """Runs whose state is unknown because their data or model is not available."""
    reasons: list[str] = field(default_factory=list)
    """Reasons why these are not available."""

    @property
    def total(self) -> int:
        """Number of runs."""
        identified = len(self.done) + len(self.missing) + len(self.crashed)
        return identified + len(self.unidentified)


def make_plan(
    configs: Iterable[RunConfig],
    records: Iterable[RunRecord],
    identities: Identities,
    *,
    identify_all: bool = True,
) -> Plan:
    """Sort the runs of a sweep by state, each run once.

    Args:
        configs: Configurations of the runs.
        records: Finished runs, here or committed; damaged records are not among them.
        identities: Identifies the runs.
        identify_all: Whether a run that cannot be identified is an error.

    Raises:
        ContentError: If a run cannot be identified.
    """
    plan = Plan()
    runs: dict[Key, Run] = {}
    for cfg in configs:
        try:
            run = identities.run(cfg)
        except ContentError as error:
            if identify_all:
                raise
            plan.unidentified.append(cfg)
            plan.reasons.extend({str(error).partition("\n")[0]} - {*plan.reasons})
        else:
            runs[run.key] = run
    folders: dict[Path, set[str]] = {}  # of each cell: one look instead of three for every run
    finished_keys = {record.key for record in records}
    for run in runs.values():
        cell = run.folder.parent
        if cell not in folders:
            folders[cell] = set(os.listdir(cell)) if cell.is_dir() else set()
        has_folder = run.folder.name in folders[cell]
        if run.key in finished_keys or (has_folder and _has_finished_since(run)):
            (plan.missing if run.lacks_weights else plan.done).append(run)
        elif not has_folder:
            plan.missing.append(run)
        elif (run.folder / CRASH).exists() or os.path.lexists(run.folder / RESULT):
            plan.crashed.append(run)  # a damaged record, or a broken link, counts as a crash
        else:
            plan.missing.append(run)
    return plan


def _has_finished_since(run: Run) -> bool:
    """Return whether a run has finished since the records were read."""
    try:
        return read_record(run.folder) is not None
    except RecordError:
        return False


def clear_crashes(runs: Iterable[Run]) -> None:
    """Make crashed runs missing again; keep their crash records and damaged records as backups.

    Another grid may have executed a run since the plan, or be executing it: that is left alone.
    """
    for run in runs:
        if run.folder.is_symlink() and not _has_finished_since(run):
            run.folder.unlink()  # it may lead to the folder of another run, which stays as it is
            continue
        with suppress(ClaimedError, FileNotFoundError), hold_claim(run.folder):  # or was deleted
            if not _has_finished_since(run):
                for name in (CRASH, RESULT):
                    _back_up(run.folder, name)


def _back_up(folder: Path, name: str) -> None:
    """Rename a file; undo that if it is a complete record that was written a moment before."""
    backup = folder / f"{name}.before"
    with suppress(FileNotFoundError, RecordError):
        (folder / name).replace(backup)
        if name == RESULT and read_record(folder, backup.name):
            publish(backup, folder / name)
            backup.unlink(missing_ok=True)


def select_shard(
    configs: Sequence[RunConfig], text: str, seconds: Sequence[float | None] | None = None
) -> list[RunConfig]:
    """Return shard i of n of the runs, so that all shards take about the same time.

    The longest run goes first, each to the shard with the least to do. Runs of equal length are
    distributed round-robin, so that each shard has all seeds.

    Args:
        configs: Configurations of all runs.
        text: `i/n`, with i from 1 to n.
        seconds: Estimated time of each run. If one is unknown, all runs count the same.

    Raises:
        ConfigError: If the text does not have that form, or the shard holds no runs.
    """
    match = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text)
    i, n = map(int, match.groups()) if match else (0, 0)
    if not 1 <= i <= n:
        raise ConfigError([f"--shard {text}: expected i/n with i from 1 to n, such as 2/8"])
    if i > len(configs):
        reason = f"the sweep has {len(configs)}, so i goes up to {len(configs)}"
        raise ConfigError([f"--shard {text}: no runs; {reason}"])
    weights = [x for x in seconds or [] if x is not None]
    if len(weights) < len(configs):
        weights = [1.0] * len(configs)
    loads = [(0.0, shard) for shard in range(min(n, len(configs)))]
    shard_of = {}
    for k in sorted(range(len(configs)), key=lambda k: -weights[k]):
        load, shard_of[k] = loads[0]
        heapq.heapreplace(loads, (load + weights[k], shard_of[k]))
    return [cfg for k, cfg in enumerate(configs) if shard_of[k] == i - 1]
