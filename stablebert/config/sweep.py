"""Sweep files, and the configurations of their runs: one grid language for W&B and for us.

A sweep file is an ordinary W&B sweep configuration with `method: grid` and flat parameter names.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from stablebert.config.compose import compose
from stablebert.config.files import SWEEPS, load_yaml
from stablebert.config.schema import KEYS, RunConfig
from stablebert.config.values import did_you_mean, is_list_key
from stablebert.errors import ConfigError
from stablebert.filesystem import expand_path


@dataclass(frozen=True)
class Sweep:
    """A grid: every combination of the values of its parameters."""

    name: str
    parameters: Mapping[str, tuple[str, ...]]
    """Values by key, each as typed on the command line."""
    fixed_overrides: tuple[str, ...] = ()
    """`KEY=VALUE` overrides that the sweep's command gives to every run."""

    def narrow(self, overrides: Sequence[str]) -> "Sweep":
        """Return the grid with the values of some keys replaced or added.

        Args:
            overrides: For example `["task=rte,cola", "seed=0..4", "scale=mini"]`. Ranges of
                integers are inclusive. A comma separates values, except for a key whose value is a
                list.

        Raises:
            ConfigError: If an override is not of the form KEY=VALUES.
        """
        replacements: dict[str, tuple[str, ...]] = {}
        problems = []
        for override in overrides:
            key, equals, text = override.partition("=")
            if not equals or key not in KEYS:
                near = did_you_mean(key, KEYS)
                problems.append(f"{override} is not of the form KEY=VALUES with a known key{near}")
            elif key in replacements:
                problems.append(f"{override}: {key} is given twice")
            else:
                replacements[key] = _split_values(key, text)
        if problems:
            raise ConfigError(problems)
        return Sweep(self.name, {**self.parameters, **replacements}, self.fixed_overrides)

    def combinations(self) -> list[dict[str, str]]:
        """Return the parameters of every run, in W&B's order.

        W&B sorts the names, varies the last one fastest, and drops repeated values.
        """
        names = sorted(self.parameters)
        values = [dict.fromkeys(self.parameters[name]) for name in names]
        return [dict(zip(names, combination, strict=True)) for combination in product(*values)]

    def configs(self) -> list[RunConfig]:
        """Return the configurations seed by seed, so that a partial grid has all of its cells.

        Raises:
            ConfigError: As for `points`.
        """
        configs = [cfg for _, cfg in self.points]
        return sorted(configs, key=lambda cfg: (cfg.seed, cfg.init_seed, cfg.data_seed))

    @property
    def roots(self) -> list[Path]:
        """The folders that hold its records (`paths.runs`)."""
        return sorted({expand_path(cfg.paths.runs) for _, cfg in self.points})

    @cached_property
    def points(self) -> list[tuple[dict[str, str], RunConfig]]:
        """Every combination with its configuration, in W&B's order.

        Raises:
            ConfigError: If any is invalid; it holds every problem of every combination once.
        """
        points: list[tuple[dict[str, str], RunConfig]] = []
        problems: dict[str, None] = {}
        fixed_overrides = [
            item for item in self.fixed_overrides if item.partition("=")[0] not in self.parameters
        ]
        for combination in self.combinations():
            overrides = [f"{key}={value}" for key, value in combination.items()]
            try:
                points.append((combination, compose([*fixed_overrides, *overrides])))
            except ConfigError as error:
                problems |= dict.fromkeys(error.problems)
        if problems:
            raise ConfigError([f"{self.name}: {problem}" for problem in problems])
        return points


def _split_values(key: str, text: str) -> tuple[str, ...]:
    if is_list_key(key):
        return (text,)
    values: list[str] = []
    for item in text.split(","):
        span = re.fullmatch(r"\s*([0-9]{1,10})\.\.([0-9]{1,10})\s*", item)
        if span and int(span[1]) <= int(span[2]):  # an empty range is refused later, as a value
            values += map(str, range(int(span[1]), int(span[2]) + 1))
        else:
            values.append(item.strip())
    return tuple(values)


def read_sweep(path: str) -> Sweep:
    """Read a sweep file, or one of the shipped sweeps by its name.

    Raises:
        ConfigError: If there is no such file, or it is not a flat grid.
    """
    file = Path(path)
    if not file.is_file() and path in (Path(path).stem, f"sweeps/{Path(path).stem}.yaml"):
        file = SWEEPS / f"{Path(path).stem}.yaml"
    if not file.is_file():
        names = shipped_sweeps()
        suggestion = did_you_mean(Path(path).stem, names)
        raise ConfigError([f"{path} is not a sweep file; shipped: {', '.join(names)}{suggestion}"])
    return parse_sweep(file.stem, load_yaml(file), str(file))


def shipped_sweeps() -> list[str]:
    """Return the names of the sweep files that ship with the package."""
    return sorted(path.stem for path in SWEEPS.glob("*.yaml"))


def parse_sweep(name: str, content: Any, where: str) -> Sweep:
    """Parse the content of a sweep file.

    Args:
        name: Name of the sweep.
        content: Content as YAML or W&B returns it.
        where: Origin of the content, for errors.

    Raises:
        ConfigError: If it is not a flat grid.
    """
    parameters = content.get("parameters") if isinstance(content, dict) else None
    if not isinstance(parameters, dict) or content.get("method") != "grid":
        raise ConfigError([f"{where}: a sweep needs `method: grid` and `parameters`"])
    problems = []
    grid: dict[str, tuple[str, ...]] = {}
    for key, entry in parameters.items():
        if key not in KEYS:
            problems.append(f"{where}: parameter {key} is not a key{did_you_mean(key, KEYS)}")
        elif not isinstance(entry, dict) or len(entry.keys() & {"value", "values"}) != 1:
            problems.append(f"{where}: parameter {key} needs either `value` or `values`")
        else:
            values = entry["values"] if "values" in entry else [entry["value"]]
            if isinstance(values, list) and values:
                grid[key] = tuple(str(value) for value in values)
            else:
                problems.append(f"{where}: parameter {key}: `values` must be a list, not {values}")
    if problems:
        raise ConfigError(problems)
    command = [str(argument) for argument in content.get("command") or []]
    fixed_overrides = tuple(argument for argument in command if argument.partition("=")[0] in KEYS)
    return Sweep(name, grid, fixed_overrides)
