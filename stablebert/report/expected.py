"""The cells that a sweep expects."""

from stablebert.config import RunConfig
from stablebert.locate import locate
from stablebert.report.cells import Cell
from stablebert.sweep import Sweep

SEEDS = ("seed", "seed_init", "seed_data")


def expected(sweep: Sweep) -> list[Cell]:
    """Every combination of a sweep's parameters but the seeds, with its `config_id`, in order.

    Raises:
        ConfigError: combinations that make no sense.
        DataError: data that is not there; its content is part of the `config_id`.
        HubError: data or model that cannot be fetched.
    """
    groups: dict[tuple[tuple[str, str], ...], list[RunConfig]] = {}
    for combination, cfg in sweep.composed:
        params = tuple((key, value) for key, value in combination.items() if key not in SEEDS)
        groups.setdefault(params, []).append(cfg)
    cells = []
    for params, configs in groups.items():
        run = locate(configs[0])  # a `config_id` does not depend on the seed
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
