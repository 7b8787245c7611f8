"""The cells that a sweep expects, with the records available for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stablebert.config.compose import compose
from stablebert.config.recognition import paper_model
from stablebert.config.schema import RunConfig
from stablebert.config.serialize import flat_values
from stablebert.config.sweep import Sweep
from stablebert.config.values import parse_multiple
from stablebert.report.cells import Cell
from stablebert.report.records import ReportError, read_records
from stablebert.report.selection import count_compared_values
from stablebert.runs.identities import Identities
from stablebert.runs.record import RunRecord
from stablebert.runs.seeds import Seeds

_SEED_KEYS = ("seed", "seed_init", "seed_data")


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
    records, problems = read_records(*sweep.roots, *extra_folders)
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


def expected_cells(sweep: Sweep, identities: Identities) -> list[Cell]:
    """Return every combination of a sweep's parameters without the seeds, in order.

    Raises:
        ConfigError: If a combination is invalid.
        ContentError: If data or model is not available and the records do not identify it.
    """
    groups: dict[tuple[tuple[str, str], ...], list[RunConfig]] = {}
    for combination, cfg in sweep.points:
        params = tuple((key, value) for key, value in combination.items() if key not in _SEED_KEYS)
        groups.setdefault(params, []).append(cfg)
    cells = []
    for params, configs in groups.items():
        run = identities.run(configs[0])  # a `config_id` does not depend on the seed
        seeds = tuple(sorted(map(Seeds.of, configs)))
        cells.append(
            Cell(
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
        )
    return cells


def _text(key: str, text: str, cfg: RunConfig) -> str:
    """Return a parameter's value as typed, but a multiple (`0.5x`) as the value that it is."""
    return f"{flat_values(cfg)[key]:g}" if parse_multiple(text, key) else text
