"""Commands that train the runs of a page, to copy."""

from stablebert.config.own_tasks import command_line
from stablebert.report.cells import Cell
from stablebert.runs.seeds import Seeds


def train_command(cell: Cell) -> str:
    """Return the command that trains a run of a cell, without its seeds."""
    values = {"scale": cell.scale, "task": cell.task, "method": cell.method, "length": cell.length}
    overrides = [f"{key}={value}" for key, value in (values | dict(cell.params)).items()]
    return command_line("train", *overrides)


def seed_overrides(seeds: Seeds) -> list[str]:
    """Return the overrides that set the seeds of a run: `seed=3`, or those of both seeds."""
    if seeds.init == seeds.data:
        return [f"seed={seeds.init}"]
    return [f"seed_init={seeds.init}", f"seed_data={seeds.data}"]
