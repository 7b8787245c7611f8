"""The user's own tasks and methods: finding their file, and making them known to this process."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stablebert.config.files import OWN_METHODS, load_conf
from stablebert.config.merge import clear_merged_files
from stablebert.config.own_methods import parse_methods
from stablebert.config.schema import RunConfig
from stablebert.errors import ConfigError
from stablebert.tasks import TASKS, Task
from stablebert.tasks.entries import parse_tasks
from stablebert.yaml_files import load_yaml

TASKS_VARIABLE = "STABLEBERT_TASKS"
"""Environment variable with the path of the tasks file; child processes inherit it."""
DEFAULT_FILE = "stablebert.yaml"
"""Tasks file in the current folder, used if there is no other."""


def find_tasks_file(option: str | None) -> Path | None:
    """Return the user's tasks file: that of `--tasks`, of the environment, or the default one.

    Raises:
        ConfigError: If a file that the user named does not exist.
    """
    name, text = "--tasks", option
    if text is None:
        name, text = TASKS_VARIABLE, os.environ.get(TASKS_VARIABLE)
    if not text:
        return Path(DEFAULT_FILE).absolute() if Path(DEFAULT_FILE).is_file() else None
    if not Path(text).is_file():
        raise ConfigError([f"{name}={text}: there is no such file; expected a YAML file of tasks"])
    return Path(text).absolute()


def command_line(*arguments: str) -> str:
    """Return a command of this program to copy, with the tasks file that the user named."""
    return shlex.join(["stablebert", *arguments, *tasks_flags()])


def tasks_flags() -> list[str]:
    """Return the option that another command needs to know the same tasks."""
    file = os.environ.get(TASKS_VARIABLE)
    is_default = not file or Path(file) == Path(DEFAULT_FILE).absolute()
    return [] if is_default else ["--tasks", os.path.relpath(str(file))]


def load_own_tasks(file: Path | None) -> None:
    """Read a tasks file and use its tasks and methods; None for none.

    Raises:
        ConfigError: If anything is wrong with the file; it holds every problem.
        OSError: If the file cannot be read.
    """
    tasks: list[Task] = []
    methods: dict[str, Any] = {}
    problems: list[str] = []
    if file:
        content = load_yaml(file)
        try:
            tasks = parse_tasks(content, file, taken=TASKS.glue)
        except ConfigError as error:
            problems += error.problems
        try:
            methods = parse_methods(content, file)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    use_tasks(tasks)
    if methods != OWN_METHODS:
        OWN_METHODS.clear()
        OWN_METHODS.update(methods)
        _clear_caches()


def describe_splits(configs: Iterable[RunConfig]) -> list[str]:
    """Return a line for each of the user's tasks whose validation or test set is not a file."""
    lines = []
    for task in dict.fromkeys(TASKS[cfg.task] for cfg in configs):
        if task.own and task.holds_out:
            rows = task.held_out // task.num_labels * task.num_labels  # as many of each label
            lines.append(
                f"task={task.name}: {rows} rows of train are the validation set, and "
                f"{task.dev_split} is the test set (rule: hold_out)"
            )
        elif task.own and not task.test_split:
            lines.append(
                f"task={task.name}: no test split, so validation and test are the halves of dev "
                "(rule: halve_dev)"
            )
    return lines


def use_tasks(tasks: Sequence[Task]) -> None:
    """Make the user's tasks, and no others, known to this process.

    Args:
        tasks: Tasks without their few-sample versions.
    """
    if TASKS.own != list(tasks):
        TASKS.replace_own(tasks)
        _clear_caches()


def _clear_caches() -> None:
    """Load and merge the files of `conf/` again when they are needed."""
    load_conf.cache_clear()
    clear_merged_files()
