"""The option `--tasks FILE`, which all commands take."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stablebert.config.own_tasks import (
    DEFAULT_FILE,
    TASKS_VARIABLE,
    find_tasks_file,
    load_own_tasks,
)
from stablebert.errors import ConfigError

TASKS_OPTION = (
    "--tasks FILE defines tasks and methods of your own "
    f"(default: ${TASKS_VARIABLE}, or ./{DEFAULT_FILE})"
)


@contextmanager
def own_tasks(arguments: Sequence[str]) -> Iterator[list[str]]:
    """Use the user's tasks for the block, also in child processes.

    Args:
        arguments: Arguments of a command.

    Yields:
        The arguments without `--tasks FILE`.

    Raises:
        ConfigError: If the option is repeated or has no file, or anything is wrong with the file.
    """
    others, files = [], []
    items = iter(arguments)
    for item in items:
        if item == "--tasks":
            files.append(next(items, ""))
        elif item.startswith("--tasks="):
            files.append(item.partition("=")[2])
        else:
            others.append(item)
    if len(files) > 1 or "" in files:
        raise ConfigError(["--tasks takes one file"])
    file = find_tasks_file(files[0] if files else None)
    load_own_tasks(file)
    previous = os.environ.get(TASKS_VARIABLE)
    if file:
        os.environ[TASKS_VARIABLE] = str(file)
    try:
        yield others
    finally:
        os.environ.pop(TASKS_VARIABLE, None)
        if previous is not None:
            os.environ[TASKS_VARIABLE] = previous
