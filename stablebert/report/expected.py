"""The cells that a sweep expects."""

from stablebert.config import compose
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
    sweep.runs()  # all problems of all combinations at once
    seeds: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for combination in sweep.combinations():
        params = tuple((key, value) for key, value in combination.items() if key not in SEEDS)
        cfg = compose([f"{key}={value}" for key, value in combination.items()])
        seeds.setdefault(params, []).append(cfg.data_seed)
    cells = []
    for params, found in seeds.items():
        run = locate(compose([f"{key}={value}" for key, value in params]))
        cells.append(
            Cell(
                run.cfg.task,
                run.cfg.method,
                run.cfg.length,
                run.cfg.scale,
                dict(params),
                run.config_id,
                tuple(found),
            )
        )
    return cells
