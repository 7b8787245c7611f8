"""Tasks: those of the paper, from `conf/glue.yaml`, and those of the user's own tasks file.

Each fact about a task is in one place, its entry; `stablebert.tasks.entries` describes the format.
"""

from collections.abc import Sequence
from dataclasses import replace

from stablebert.errors import ActionableError
from stablebert.tasks.entries import read_tasks
from stablebert.tasks.task import OwnData, Task
from stablebert.yaml_files import CONF

__all__ = [
    "DEMO",
    "TASKS",
    "OwnData",
    "Task",
    "Tasks",
    "UnknownTaskError",
    "is_generated",
    "with_few_sample_versions",
]

DEMO = "demo"
"""Value of `data.source` and `model.name` that selects the data and the model in this package."""


def is_generated(source: str) -> bool:
    """Return whether `data.source` is generated: `demo`, `demo:ROWS` or `demo:ROWS:SEED`."""
    return source.partition(":")[0] == DEMO


class UnknownTaskError(ActionableError, ValueError):
    """A task without an entry."""


class Tasks(dict[str, Task]):
    """Tasks by name; looking up an unknown name reports the known ones."""

    def __missing__(self, name: str) -> Task:
        raise UnknownTaskError(
            f"task={name!r} has no entry in conf/glue.yaml, nor in a tasks file of yours "
            f"(--tasks FILE, or ./stablebert.yaml); allowed: {', '.join(self)}"
        )

    @property
    def glue(self) -> list[str]:
        """Names of the tasks of the paper, which no other task may take."""
        return [name for name, task in self.items() if not task.own]

    @property
    def own(self) -> list[Task]:
        """The user's tasks, without their few-sample versions."""
        return [task for task in self.values() if task.own and not task.few_sample]

    def replace_own(self, tasks: Sequence[Task]) -> None:
        """Replace the user's tasks, and their few-sample versions."""
        for name in [name for name, task in self.items() if task.own]:
            del self[name]
        self.update(with_few_sample_versions(tasks))


def with_few_sample_versions(tasks: Sequence[Task]) -> dict[str, Task]:
    """Return the tasks and their few-sample versions, `rte` and `rte_1k`, by name."""
    few = [
        replace(
            task,
            name=f"{task.name}_1k",
            title=f"{task.title} ({'1k' if task.samples == 1000 else task.samples})",
            few_sample=True,
        )
        for task in tasks
    ]
    return {task.name: task for task in [*tasks, *few]}


TASKS = Tasks(with_few_sample_versions(read_tasks(CONF / "glue.yaml", own=False)))
"""All tasks of this process; `stablebert.config.own_tasks` adds the user's."""
