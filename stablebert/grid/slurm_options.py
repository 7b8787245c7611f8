"""The option `--slurm KEY=VALUE,...`: resources of each job, named as in `sbatch`."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Self

from stablebert.errors import ConfigError

NAME = "[!-~]+", "a name as in `sbatch --help`"
COUNT = "[1-9][0-9]{0,5}"
ALLOWED = {
    "account": NAME,
    "constraint": NAME,
    "cpus-per-task": (COUNT, "an integer of at least 1"),
    "exclude": NAME,
    "gpus": (f"([A-Za-z][A-Za-z0-9_.-]*:)?{COUNT}", "a number, or TYPE:NUMBER, such as a100:1"),
    "gres": NAME,
    "mem": ("[0-9]{1,9}[KMGT]?", "a size such as 24G"),
    "nodelist": NAME,
    "partition": NAME,
    "qos": NAME,
    "reservation": NAME,
    "time": (
        "([0-9]{1,4}-)?[0-9]{1,6}(:[0-9]{1,2}){0,2}",
        "at least a minute, as MINUTES, HOURS:MINUTES:SECONDS or DAYS-HOURS:MINUTES",
    ),
}
"""Keys, with the pattern and the description of their values."""
DEFAULT_MINUTES = 240


@dataclass(frozen=True)
class SlurmOptions:
    """Resources of a job.

    Attributes:
        minutes: Time limit.
        cpus: Processor cores of the job's only task; None for the cluster's default.
        others: Other options of `sbatch`.
    """

    minutes: int = DEFAULT_MINUTES
    cpus: int | None = None
    others: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """Parse texts such as `partition=gpu,time=04:00:00,gpus=1`; later ones override earlier.

        Raises:
            ConfigError: If a key or a value is invalid, with every problem.
        """
        values: dict[str, str] = {}
        problems: list[str] = []
        for text in texts:
            # values may contain commas: nodelist=a,b
            for entry in re.split(r",(?=[^,=]*=)", text):
                key, _, value = entry.partition("=")
                if problem := _find_problem(key, value):
                    problems.append(f"--slurm {entry}: {problem}")
                values[key] = value
        if problems:
            raise ConfigError(problems)
        minutes = _minutes(values.pop("time")) if "time" in values else DEFAULT_MINUTES
        cpus = values.pop("cpus-per-task", None)
        return cls(minutes, int(cpus) if cpus else None, values)


def _find_problem(key: str, value: str) -> str | None:
    if key not in ALLOWED:
        near = get_close_matches(key.replace("_", "-"), ALLOWED, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"expected KEY=VALUE with one of the keys {', '.join(ALLOWED)}{hint}"
    pattern, description = ALLOWED[key]
    if not re.fullmatch(pattern, value) or (key == "time" and _minutes(value) == 0):
        return f"expected {description}"
    return None


def _minutes(text: str) -> int:
    """Return the minutes of one of SLURM's notations of a duration, rounded up as SLURM does."""
    days, _, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if days:  # D-HH[:MM[:SS]]
        hours, minutes, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:  # MM[:SS]
        hours, (minutes, seconds) = 0, [*parts, 0][:2]
    return (int(days or 0) * 24 + hours) * 60 + minutes + math.ceil(seconds / 60)
