"""The cells that a sweep expects, with the records available for them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stablebert.config.compose import compose
from stablebert.config.recognition import paper_model
from stablebert.config.schema import RunConfig
from stablebert.config.serialize import flat_values
from stablebert.config.sweep import SEED_KEYS, Sweep
from stablebert.config.values import parse_multiple
from stablebert.report.cells import Cell
from stablebert.report.records import ReportError, read_records
from stablebert.report.selection import count_compared_values
from stablebert.runs.identities import ContentError, Identities
from stablebert.runs.record import RunRecord
from stablebert.runs.run import Run
from stablebert.runs.seeds import Seeds


class Identifier(Protocol):
    """Identifier of the runs of configurations."""

    def run(self, cfg: RunConfig) -> Run:
        """Identify the run of a configuration."""


@dataclass(frozen=True, kw_only=True)
class SweepRecords:
    """The basis of a report on a sweep."""

    cells: list[Cell]
    """Cells that the sweep expects."""
    records: list[RunRecord]
    """Records in the sweep's folders, of this sweep or not."""
    notes: list[str]
    """Problems with files, and assumptions about data or models that are not available."""


def read_sweep_records(sweep: Sweep, *extra_folders: Path) -> SweepRecords:
    """List the cells of a sweep and read all records in its folders.

    Args:
        sweep: The sweep, already narrowed.
        extra_folders: Folders of records besides the sweep's own.

    Raises:
        ConfigError: As `expected_cells`.
        ContentError: As `expected_cells`.
        ReportError: As `check_folders`.
    """
    check_folders(sweep.roots)
    return expect_cells(sweep, *read_records(*sweep.roots, *extra_folders))


def expect_cells(
    sweep: Sweep, records: list[RunRecord], problems: Sequence[str] = ()
) -> SweepRecords:
    """List the cells of a sweep, given all records in its folders and problems in reading them.

    Raises:
        ConfigError: As `expected_cells`.
        ContentError: As `expected_cells`.
    """
    identities = Identities(records)
    cells = expected_cells(sweep, identities)
    notes = [*identities.assumptions, *(f"skipped: {problem}" for problem in problems)]
    return SweepRecords(cells=cells, records=records, notes=notes)


def check_folders(roots: Iterable[Path]) -> None:
    """Check that folders of records exist; only the default of `paths.runs` need not yet.

    Raises:
        ReportError: If another one is not a folder.
    """
    default = Path(compose([]).paths.runs)
    if absent := [str(root) for root in roots if root != default and not root.is_dir()]:
        raise ReportError(
            f"paths.runs={','.join(absent)}: not a folder; give the folder of the runs"
        )


def expected_cells(sweep: Sweep, identities: Identifier) -> list[Cell]:
    """Return every combination of a sweep's parameters without the seeds, in order.

    Raises:
        ConfigError: If a combination is invalid.
        ContentError: If data or model is not available and the records do not identify it.
    """
    return list(_cells(sweep.points, identities.run))


def possible_cells(sweep: Sweep, identities: Identifier) -> list[Cell]:
    """Return the combinations that are valid, and whose data and model are known."""

    def run_or_none(cfg: RunConfig) -> Run | None:
        try:
            return identities.run(cfg)
        except ContentError:
            return None

    return list(_cells(sweep.valid_points, run_or_none))


def _cells(
    points: Iterable[tuple[dict[str, str], RunConfig]], identify: Callable[[RunConfig], Run | None]
) -> Iterator[Cell]:
    groups: dict[tuple[tuple[str, str], ...], list[RunConfig]] = {}
    for combination, cfg in points:
        params = tuple((key, value) for key, value in combination.items() if key not in SEED_KEYS)
        groups.setdefault(params, []).append(cfg)
    for params, configs in groups.items():
        run = identify(configs[0])  # a `config_id` does not depend on the seed
        if run is None:
            continue
        seeds = tuple(sorted(map(Seeds.of, configs)))
        yield Cell(
            task=run.cfg.task,
            method=run.cfg.method,
            length=run.cfg.length,
            scale=run.cfg.scale,
            params={key: _text(key, text, run.cfg) for key, text in params},
            config_id=run.config_id,
            paper_model=paper_model(run.cfg),
            seeds=seeds,
            settings=count_compared_values(run.cfg, seeds, explicit=dict(params)),
        )


def _text(key: str, text: str, cfg: RunConfig) -> str:
    """Return a parameter's value as typed, but a multiple (`0.5x`) as the value that it is."""
    return f"{flat_values(cfg)[key]:g}" if parse_multiple(text, key) else text
