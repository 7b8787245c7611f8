"""Sweep files, and the configurations of their runs: one grid language for W&B and for us.

A sweep file is an ordinary W&B sweep configuration with `method: grid` and flat parameter names.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from stablebert.config.compose import compose
from stablebert.config.files import SWEEPS
from stablebert.config.schema import KEYS, RunConfig
from stablebert.config.sweep_command import NO_FORCE, command_problems, fixed_overrides
from stablebert.config.values import did_you_mean, is_list_key, parse_override, parse_value
from stablebert.errors import ConfigError
from stablebert.filesystem import expand_path
from stablebert.yaml_files import load_yaml

SEED_KEYS = {"seed", "seed_init", "seed_data"}
"""Keys that distinguish the runs of a cell."""
MOST_RUNS = 100_000
"""Limit on the runs of a grid; the plan of one of this size takes ten seconds."""


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
            elif key == "force":
                problems.append(f"{override}: {NO_FORCE}")
            elif key in replacements:
                problems.append(f"{override}: {key} is given twice")
            else:
                replacements[key] = _split_values(key, text)
        if problems:
            raise ConfigError(problems)
        return Sweep(self.name, {**self.parameters, **replacements}, self.fixed_overrides)

    def combinations(self) -> list[dict[str, str]]:
        """Return the parameters of every run, in W&B's order.

        W&B sorts the names, varies the last one fastest, and drops repeated values. Here values
        are repeated if they are equal when parsed, whatever their spelling.

        Raises:
            ConfigError: If there are more than `MOST_RUNS`.
        """
        names = sorted(self.parameters)
        values = [_distinct(name, self.parameters[name]) for name in names]
        if (count := prod(map(len, values))) > MOST_RUNS:
            limit = f"a grid has at most {MOST_RUNS:,}; narrow it"
            raise ConfigError([f"{self.name}: {count:,} runs, but {limit}"])
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
        folders = {cfg.paths.runs for _, cfg in self.points}
        return sorted(expand_path("paths.runs", folder) for folder in folders)

    @cached_property
    def points(self) -> list[tuple[dict[str, str], RunConfig]]:
        """Every combination with its configuration, in W&B's order.

        Raises:
            ConfigError: If any is invalid, with every problem of every combination once; or if two
                differ only in seeds that make no difference.
        """
        points, problems, repeats = self._compose_all()
        if problems or repeats:
            raise ConfigError([f"{self.name}: {item}" for item in problems or repeats[:1]])
        return points

    @property
    def valid_points(self) -> list[tuple[dict[str, str], RunConfig]]:
        """The combinations that are valid, with their configurations."""
        return self._compose_all()[0]

    def _compose_all(self) -> tuple[list[tuple[dict[str, str], RunConfig]], list[str], list[str]]:
        """Return the valid points, problems of others, and points that repeat a run."""
        problems: dict[str, None] = {}

        def compose_or_note(*overrides: str) -> RunConfig | None:
            try:
                return compose(overrides)
            except ConfigError as error:
                problems.update(dict.fromkeys(error.problems))
                return None

        fixed_overrides = [
            item for item in self.fixed_overrides if item.partition("=")[0] not in self.parameters
        ]
        seed_keys = SEED_KEYS & self.parameters.keys()
        seeds: dict[tuple[str, str], Any] = {}
        for key in seed_keys:
            for text in self.parameters[key]:
                try:
                    seeds[key, text] = parse_value(text, key)
                except ValueError:
                    compose_or_note(f"{key}={text}")
        cells: dict[tuple[str, ...], RunConfig | None] = {}
        points: list[tuple[dict[str, str], RunConfig]] = []
        runs: dict[tuple[Any, ...], str] = {}
        repeats: list[str] = []
        for combination in self.combinations():
            values = {key: text for key, text in combination.items() if key not in SEED_KEYS}
            cell = tuple(values.values())
            if cell not in cells:  # checked once, as no check depends on a seed
                overrides = [f"{key}={text}" for key, text in values.items()]
                cells[cell] = compose_or_note(*fixed_overrides, *overrides)
            if cfg := cells[cell]:
                own: dict[str, Any] = {key: seeds.get((key, combination[key])) for key in seed_keys}
                cfg = replace(cfg, **own)
                points.append((combination, cfg))
                run = cell, cfg.init_seed, cfg.data_seed
                names = " ".join(f"{key}={combination[key]}" for key in sorted(seed_keys))
                if (first := runs.setdefault(run, names)) != names:
                    repeats.append(
                        f"{names} repeats the run of {first}: seed is only the default of "
                        "seed_init and seed_data; drop it, or the values that repeat a run"
                    )
        return points, [*problems], repeats


def _distinct(key: str, texts: Iterable[str]) -> list[str]:
    """Return values without repetition; those that are not allowed are refused later."""
    distinct: dict[object, str] = {}
    for text in texts:
        try:
            distinct.setdefault(parse_override(text, key), text)
        except ValueError:
            distinct.setdefault((text,), text)
    return list(distinct.values())


def _split_values(key: str, text: str) -> tuple[str, ...]:
    if is_list_key(key):
        return (text,)
    values: list[str] = []
    for item in text.split(","):
        span = re.fullmatch(r"\s*(0|[1-9][0-9]{0,18})\.\.(0|[1-9][0-9]{0,18})\s*", item)
        if span and int(span[1]) <= int(span[2]):  # an empty range is refused later, as a value
            if (count := int(span[2]) - int(span[1]) + 1) > MOST_RUNS:
                limit = f"a grid has at most {MOST_RUNS:,} runs"
                raise ConfigError([f"{key}={text}: {count:,} values, but {limit}"])
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
    content = _load_shipped(file) if file.parent == SWEEPS else load_yaml(file)
    names = [str(name) for name in content] if isinstance(content, dict) else []
    if unknown_names := [name for name in names if name not in _SWEEP_KEYS]:
        raise ConfigError(
            [
                f"{file}: {name} is not a key of a W&B sweep{did_you_mean(name, _SWEEP_KEYS)}"
                for name in unknown_names
            ]
        )
    return parse_sweep(file.stem, content, str(file))


@cache
def _load_shipped(file: Path) -> Any:
    """Load a shipped sweep only once, as `load_conf` does: reports read each of them many times."""
    return load_yaml(file)


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
        ConfigError: If it is not a flat grid of `stablebert train` runs.
    """
    parameters = content.get("parameters") if isinstance(content, dict) else None
    if not isinstance(parameters, dict) or content.get("method") != "grid":
        raise ConfigError([f"{where}: a sweep needs `method: grid` and `parameters`"])
    if not parameters:
        raise ConfigError([f"{where}: `parameters` is empty; a grid needs at least one"])
    problems = [f"`{key}`: {why}" for key, why in _NOT_A_GRID.items() if content.get(key)]
    grid: dict[str, tuple[str, ...]] = {}
    for key, entry in parameters.items():
        values = entry.get("values", [entry.get("value")]) if isinstance(entry, dict) else None
        if key not in KEYS:
            nested = "; write nested parameters as one dotted name"
            advice = nested if isinstance(entry, dict) and "parameters" in entry else ""
            problems.append(f"parameter {key} is not a key{advice or did_you_mean(str(key), KEYS)}")
        elif key == "force":
            problems.append(f"parameter force: {NO_FORCE}")
        elif not isinstance(entry, dict) or len(entry.keys() & {"value", "values"}) != 1:
            problems.append(f"parameter {key} needs either `value` or `values`")
        elif extra := entry.keys() - {"value", "values"}:
            problems.append(f"parameter {key}: a grid has no `{min(map(str, extra))}`")
        elif isinstance(values, list) and values:
            grid[key] = tuple(str(value) for value in values)
        else:
            problems.append(
                f"parameter {key}: `values` must be a list of at least one value, not {values}"
            )
    command, program = content.get("command"), content.get("program")
    problems += command_problems(command, program, parameters)
    if problems:
        raise ConfigError([f"{where}: {problem}" for problem in problems])
    return Sweep(name, grid, fixed_overrides(command, program))


_NOT_A_GRID = {
    "run_cap": "W&B stops after that many runs, but a local grid would not; narrow the parameters",
    "early_terminate": "W&B would end some runs early; `stablebert grid --prune` does so locally",
    "scheduler": "jobs of W&B Launch are not supported; name a `command`",
    "job": "jobs of W&B Launch are not supported; name a `command`",
    "image_uri": "jobs of W&B Launch are not supported; name a `command`",
}
"""Keys of a W&B sweep that change which runs are trained, or by what, and why that is refused."""
_SWEEP_KEYS = {
    *("apiVersion", "kind", "controller", "description", "program", "entity", "project"),
    *("method", "command", "name", "metric", "metrics", "parameters", *_NOT_A_GRID),
}
"""Keys of a W&B sweep; its schema allows no others."""
