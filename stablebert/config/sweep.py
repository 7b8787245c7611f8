"""A sweep file, and the runs that it means: one grid language for `wandb agent` and for here.

The files are ordinary W&B sweep configurations with `method: grid` and flat parameter names.
Torch-free.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from stablebert.config.compose import ConfigError, compose
from stablebert.config.schema import CONF, KEYS, RunConfig, is_list, nearest

SWEEPS = CONF.parent / "sweeps"  # beside conf/, in a checkout as in a wheel


@dataclass(frozen=True)
class Sweep:
    """A grid: every combination of the values of its parameters."""

    name: str
    parameters: Mapping[str, tuple[str, ...]]
    """Values by key, each as one would type it."""
    fixed: tuple[str, ...] = ()
    """Words `KEY=VALUE` that its command gives to every run."""

    def narrowed(self, overrides: Sequence[str]) -> "Sweep":
        """The grid with some values replaced or added: `task=rte,cola`, `seed=0..4`, `scale=mini`.

        Ranges of integers are inclusive. Lists are of values, but for a key that takes a list.

        Raises:
            ConfigError: a word that is no `KEY=VALUES`.
        """
        typed: dict[str, tuple[str, ...]] = {}
        problems = []
        for word in overrides:
            key, equals, text = word.partition("=")
            if not equals or key not in KEYS:
                near = nearest(key, KEYS)
                problems.append(f"{word}: is not of the form KEY=VALUES with a known key{near}")
            elif key in typed:
                problems.append(f"{word}: {key} was typed before")
            else:
                typed[key] = _values(key, text)
        if problems:
            raise ConfigError(problems)
        return Sweep(self.name, {**self.parameters, **typed}, self.fixed)

    def combinations(self) -> list[dict[str, str]]:
        """The parameters of every run, in the order in which W&B hands them out.

        Names sorted, the last varies fastest, equal values once.
        """
        names = sorted(self.parameters)
        values = [dict.fromkeys(self.parameters[name]) for name in names]
        return [dict(zip(names, chosen, strict=True)) for chosen in product(*values)]

    def runs(self) -> list[RunConfig]:
        """The configurations, seed by seed: a grid stopped early has every cell with fewer seeds.

        Raises:
            ConfigError: as `composed`.
        """
        configs = [cfg for _, cfg in self.composed]
        return sorted(configs, key=lambda cfg: (cfg.seed, cfg.init_seed, cfg.data_seed))

    @property
    def roots(self) -> list[Path]:
        """Folders of its records."""
        return sorted({Path(cfg.paths.runs).expanduser() for _, cfg in self.composed})

    @cached_property
    def composed(self) -> list[tuple[dict[str, str], RunConfig]]:
        """Every combination with its configuration, in W&B's order.

        Raises:
            ConfigError: with every problem of every combination, each once.
        """
        made: list[tuple[dict[str, str], RunConfig]] = []
        problems: dict[str, None] = {}
        fixed = [word for word in self.fixed if word.partition("=")[0] not in self.parameters]
        for combination in self.combinations():
            try:
                words = [f"{key}={value}" for key, value in combination.items()]
                made.append((combination, compose([*fixed, *words])))
            except ConfigError as error:
                problems |= dict.fromkeys(error.problems)
        if problems:
            raise ConfigError([f"{self.name}: {problem}" for problem in problems])
        return made


def read_sweep(path: str) -> Sweep:
    """Read a sweep file, or a name among those that ship.

    Raises:
        ConfigError: no such file, or one that is no flat grid.
    """
    file = Path(path)
    if not file.is_file() and path in (Path(path).stem, f"sweeps/{Path(path).stem}.yaml"):
        file = SWEEPS / f"{Path(path).stem}.yaml"
    if not file.is_file():
        shipped = sorted(p.stem for p in SWEEPS.glob("*.yaml"))
        near = nearest(Path(path).stem, shipped)
        raise ConfigError([f"{path} is no sweep file; those that ship: {', '.join(shipped)}{near}"])
    return parse_sweep(file.stem, yaml.safe_load(file.read_text("utf-8")), str(file))


def parse_sweep(name: str, content: Any, where: str) -> Sweep:
    """Understand the content of a sweep file.

    Args:
        name: of the sweep.
        content: as YAML or W&B has it.
        where: it was found, for errors.

    Raises:
        ConfigError: it is no flat grid.
    """
    parameters = content.get("parameters") if isinstance(content, dict) else None
    if not isinstance(parameters, dict) or content.get("method") != "grid":
        raise ConfigError([f"{where}: a sweep here has `method: grid` and `parameters`"])
    problems = []
    grid: dict[str, tuple[str, ...]] = {}
    for key, entry in parameters.items():
        if key not in KEYS:
            problems.append(f"{where}: parameter {key} is not a key{nearest(key, KEYS)}")
        elif not isinstance(entry, dict) or len(entry.keys() & {"value", "values"}) != 1:
            problems.append(f"{where}: parameter {key} needs either `value` or `values`")
        else:
            values = entry["values"] if "values" in entry else [entry["value"]]
            if isinstance(values, list) and values:
                grid[key] = tuple(str(value) for value in values)
            else:
                problems.append(
                    f"{where}: parameter {key}: `values` is a list, here it is {values}"
                )
    if problems:
        raise ConfigError(problems)
    command = content.get("command") or []
    fixed = tuple(str(w) for w in command if str(w).partition("=")[0] in KEYS)
    return Sweep(name, grid, fixed)


def _values(key: str, text: str) -> tuple[str, ...]:
    if is_list(key):
        return (text,)
    values: list[str] = []
    for item in text.split(","):
        span = re.fullmatch(r"\s*(\d+)\.\.(\d+)\s*", item)
        if span and int(span[1]) <= int(span[2]):  # else it is refused as a value
            values += map(str, range(int(span[1]), int(span[2]) + 1))
        else:
            values.append(item.strip())
    return tuple(values)
