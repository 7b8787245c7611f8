"""Cells of a sweep, and how reports name them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stablebert.runs.seeds import Seeds
from stablebert.tasks import TASKS

IDENTITY = ("scale", "task", "method", "length")
"""Parameters that every cell has, whatever its sweep varies."""
MODEL = "model.name"
"""Parameter that the paper's layout may vary too, as in Table 7."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination of a sweep's parameters, without the seed."""

    task: str
    method: str
    length: str
    scale: str
    params: Mapping[str, object]
    """Parameters of the sweep, except the seed."""
    config_id: str
    paper_model: str | None = None
    """Paper's name of the model, None if the model is not one of the paper's."""
    seeds: tuple[Seeds, ...]
    """Seeds that the sweep expects, in order and without repetitions."""
    settings: int = 1
    """Number of settings among which validation scores of the same seeds selected this one."""
    open_settings: int = 0
    """Number of those settings that lack runs."""

    @property
    def identity(self) -> tuple[str, ...]:
        """Values of `IDENTITY`."""
        return self.scale, self.task, self.method, self.length


def varying_parameters(cells: Sequence[Cell]) -> list[str]:
    """Return the parameters that distinguish cells, beyond task, method, and length."""
    keys = dict.fromkeys(key for cell in cells for key in cell.params)
    candidates = [key for key in keys if key not in IDENTITY]
    values = {key: {str(cell.params.get(key)) for cell in cells} for key in candidates}
    parameters = [key for key in candidates if len(values[key]) > 1]
    return parameters + (["scale"] if len({cell.scale for cell in cells}) > 1 else [])


def identity_of(cell: Cell, parameters: Sequence[str]) -> tuple[str, ...]:
    """Return a cell's values of `IDENTITY` and of other parameters, as text."""
    return tuple(parameter_text(cell, key) for key in (*IDENTITY, *parameters))


def parameter_text(cell: Cell, key: str) -> str:
    """Return a cell's value of a parameter as text, `-` if its sweep does not set it."""
    return str(getattr(cell, key)) if key in IDENTITY else str(cell.params.get(key, "-"))


def task_title(task: str, scale: str) -> str:
    """Return a task's name in tables; a generated task is `demo-rte`, never `RTE`."""
    if scale == "demo":
        return f"demo-{task}"
    return TASKS[task].title if task in TASKS else task


def is_glue(task: str) -> bool:
    """Return whether a task is one of the paper's, and not the user's own."""
    return task in TASKS and not TASKS[task].own


def describe_cell(cell: Cell) -> str:
    """Return the name of a cell for messages: `RTE reinit 3epochs (0123456789)`."""
    title = task_title(cell.task, cell.scale)
    return f"{title} {cell.method} {cell.length} ({cell.config_id})"
