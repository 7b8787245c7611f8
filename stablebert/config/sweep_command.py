"""The command of a W&B sweep file, as far as it decides what a run trains.

W&B's agent replaces macros in the command and starts it. `stablebert grid` reads the same command,
so a command that means something else than `stablebert train KEY=VALUE...` is refused.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from stablebert.config.schema import KEYS
from stablebert.config.values import describe_unknown_key

ARGUMENTS = "${args_no_hyphens}"
"""W&B's macro that passes the parameters as KEY=VALUE."""
TRAIN_COMMAND = ["${env}", "${interpreter}", "-m", "stablebert", "train"]
"""Start of the shipped sweeps' command; W&B's agent replaces its macros."""
EXAMPLE = json.dumps([*TRAIN_COMMAND, ARGUMENTS])
NO_FORCE = "a grid does not repeat finished runs; drop it"
"""Reason why no part of a sweep may set `force`."""
_VARIABLE = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


def train_arguments(command: Any, program: object) -> list[str] | None:
    """Return the arguments after `stablebert train` in a command; None if it runs something else.

    Args:
        command: Value of `command` in a sweep file.
        program: Value of `program`, which replaces `${program}`.
    """
    if not isinstance(command, list):
        return None
    words = [str(program) if word == "${program}" else str(word) for word in command]
    for i, word in enumerate(words[1:], 1):
        if word == "train" and PurePath(words[i - 1]).name == "stablebert":
            return words[i + 1 :]
    return None


def command_problems(command: Any, program: object, parameters: Iterable[str]) -> Iterator[str]:
    """Yield why a command does not give every run its parameters as `stablebert train` takes them.

    Args:
        command: Value of `command` in a sweep file.
        program: Value of `program`.
        parameters: Keys of the sweep's parameters.
    """
    if command is None:
        default = "`python PROGRAM --KEY=VALUE...`, which stablebert does not take"
        yield f"there is no `command`, and W&B's default is {default}; use command: {EXAMPLE}"
        return
    arguments = train_arguments(command, program)
    if arguments is None:
        kind = "" if isinstance(command, list) else " a list and"
        yield f"`command` must be{kind} a call to `stablebert train`, such as {EXAMPLE}"
        return
    if ARGUMENTS not in arguments:
        yield f"`command` does not give the parameters to the run; end it with {ARGUMENTS}"
    for argument in arguments:
        key, equals, _ = argument.partition("=")
        variables = _VARIABLE.findall(argument)
        if argument == ARGUMENTS:
            continue
        if argument.startswith("${") and not variables:
            yield f"`command`: {argument} is not in the form KEY=VALUE; use {ARGUMENTS}"
        elif not equals or key not in KEYS:
            advice = describe_unknown_key(key) if equals else "expected KEY=VALUE"
            yield f"`command`: {argument}: {advice}"
        elif key == "force":
            yield f"`command`: {argument}: {NO_FORCE}"
        elif key in parameters:
            yield f"`command` sets {key}, which is a parameter, too; drop one of the two"
        for name in variables:
            if name not in os.environ:
                yield f"`command`: {argument}: the environment variable {name} is not set"


def fixed_overrides(command: Any, program: object) -> tuple[str, ...]:
    """Return the KEY=VALUE arguments that a command gives to every run."""
    arguments = train_arguments(command, program) or []
    return tuple(
        _VARIABLE.sub(lambda match: os.environ.get(match[1], ""), argument)
        for argument in arguments
        if argument != ARGUMENTS
    )
