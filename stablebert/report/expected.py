"""The cells that a sweep expects."""

from pathlib import Path

from stablebert.config.schema import RunConfig
from stablebert.config.sweep import Sweep
from stablebert.report.cells import Cell
from stablebert.report.records import read_all
from stablebert.runs.identities import Identities
from stablebert.runs.record import RunRecord

SEEDS = ("seed", "seed_init", "seed_data")


def gather(sweep: Sweep, *committed: Path) -> tuple[list[Cell], list[RunRecord], list[str]]:
    """What a report is made of: the cells, the records, and remarks on how either was found.

    Args:
        sweep: read and narrowed.
        committed: folders of records besides the sweep's own.

    Raises:
        ConfigError: as `expected`.
        ContentError: as `expected`.
    """
    records, problems = read_all(*sweep.roots, *committed)
    identities = Identities(records)
    cells = expected(sweep, identities)
    return (
        cells,
        records,
        [*identities.assumptions, *(f"skipped: {problem}" for problem in problems)],
    )


def expected(sweep: Sweep, identities: Identities) -> list[Cell]:
    """Every combination of a sweep's parameters but the seeds, with its `config_id`, in order.

    Raises:
        ConfigError: combinations that make no sense.
        ContentError: data or model is neither at hand nor known from records.
    """
    groups: dict[tuple[tuple[str, str], ...], list[RunConfig]] = {}
    for combination, cfg in sweep.points:
        params = tuple((key, value) for key, value in combination.items() if key not in SEEDS)
        groups.setdefault(params, []).append(cfg)
    cells = []
    for params, configs in groups.items():
        run = identities.run(configs[0])  # a `config_id` does not depend on the seed
        cells.append(
            Cell(
                run.cfg.task,
                run.cfg.method,
                run.cfg.length,
                run.cfg.scale,
                dict(params),
                run.config_id,
                tuple(cfg.data_seed for cfg in configs),
            )
        )
    return cells
