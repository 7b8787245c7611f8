"""The runs that the dashboard shows, and the keys by which it groups them."""

import re

from stablebert.config.files import SWEEPS
from stablebert.report.paper import paper_numbers
from stablebert.tracking.dashboard.library import DashboardError

NAME = "stablebert"
CELL_KEYS = ("task", "method", "length", "config_id")
"""Top-level keys of a run's W&B configuration that together identify its cell."""
EXTRA_KEYS = {
    "table4": ("trainer.precision",),
    "table6": ("model.name",),
    "table7": ("model.name",),
}
"""Keys that distinguish the cells of a table; they precede `CELL_KEYS` so that labels show them."""


def parse_project(path: str) -> tuple[str, str]:
    """Split ENTITY/PROJECT.

    Raises:
        DashboardError: If the path has another form.
    """
    if not re.fullmatch(r"[^/\s]+/[^/\s]+", path):
        raise DashboardError(f"{path}: expected ENTITY/PROJECT")
    entity, _, project = path.partition("/")
    return entity, project


def parse_sweep_id(path: str) -> str:
    """Return the SWEEP of ENTITY/PROJECT/SWEEP or of SWEEP alone.

    Raises:
        DashboardError: If the path has another form.
    """
    match = re.fullmatch(r"(?:[^/\s]+/[^/\s]+/)?(\w+)", path)
    if not match:
        raise DashboardError(
            f"--sweep {path}: expected a sweep's id, such as 1ab2c3d4, as printed by `wandb sweep`"
        )
    return match[1]


def display_name(sweep: str | None) -> str:
    """Return the name of the workspace, which also begins the title of each report."""
    return f"{NAME} {sweep}" if sweep else NAME


def grouping_keys(table: str | None) -> tuple[str, ...]:
    """Return the configuration keys by which runs of a table, or of own tasks, are grouped."""
    return ("task",) if table == "table3" else (*EXTRA_KEYS.get(table or "", ()), *CELL_KEYS)


def describe_runs(table: str, sweep: str | None) -> str:
    """Return a sentence that says which runs `run_filter` selects for a table."""
    if sweep:
        return f"Runs of the sweep {sweep}."
    return f"Runs tagged {table}." if _has_sweep(table) else "Runs of its tasks and methods."


def run_filter(
    *, table: str | None = None, task: str | None = None, sweep: str | None = None
) -> str:
    """Return the filter of a run set, in the language of wandb-workspaces; empty selects all runs.

    Args:
        table: Selects runs tagged with the table or, if no shipped sweep bears its name, runs of
            the table's tasks and methods.
        task: Selects runs of one task.
        sweep: Selects runs of a W&B sweep, by its id, and replaces the selection by table.
    """
    conditions: dict[str, list[str]] = {}
    if sweep:
        conditions["Sweep"] = [sweep]
    elif table and _has_sweep(table):
        conditions["Tags"] = [table]
    elif table:
        entries = [p for p in paper_numbers() if f"table{p.table}" == table]
        conditions["Config('method.value')"] = sorted({p.method for p in entries} - {""})
        conditions["Config('task.value')"] = sorted({p.task for p in entries} - {"all"})
    if task:
        conditions["Config('task.value')"] = [task]
    return " and ".join(f"{key} in {values}" for key, values in conditions.items() if values)


def _has_sweep(table: str) -> bool:
    """Return whether a shipped sweep bears the table's name; its runs carry the name as a tag."""
    return (SWEEPS / f"{table}.yaml").is_file()
