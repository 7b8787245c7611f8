"""`KEY=VALUE` arguments and the files of `conf/` become a checked `RunConfig`.

Every problem of a command line is reported at once, before anything is loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from stablebert.config.checks import Candidate, contradictions
from stablebert.config.files import flatten, load_conf
from stablebert.config.merge import SELECTORS, Setting, merge, merge_files, values_of
from stablebert.config.schema import KEYS, RunConfig
from stablebert.config.values import (
    Multiple,
    choices_of,
    describe_allowed_overrides,
    describe_unknown_key,
    did_you_mean,
    parse_override,
    unquote,
)
from stablebert.errors import ConfigError

_LONGER = "longer"


def compose(overrides: Sequence[str]) -> RunConfig:
    """Compose the configuration of a run from the files of `conf/` and `KEY=VALUE` overrides.

    Args:
        overrides: For example `["task=rte", "method=reinit", "optimizer.lr=3e-5"]`.

    Raises:
        ConfigError: If anything is wrong; it holds every problem of the command line.
    """
    command_line = _CommandLine()
    for argument in overrides:
        command_line.add(unquote(argument))
    command_line.move_longer()
    values, problems = command_line.values, command_line.problems
    base = flatten(load_conf("base"))
    if missing := [key for key in KEYS if key not in base]:
        raise ConfigError([f"conf/base.yaml lacks {', '.join(missing)}"])
    selection = {key: values.get(key, str(base[key])) for key in SELECTORS}
    files = merge_files(selection, values)
    multiples = {key: values.pop(key) for key in [*values] if isinstance(values[key], Multiple)}
    settings = {key: Setting(value) for key, value in values.items() if key != "model.like"}
    all_values = values_of(merge(files, settings))
    for key, multiple in multiples.items():
        try:
            all_values[key] = multiple.of(files[key].value, key)
        except ValueError:
            problems.append(
                f"{key}={multiple.factor:g}x: {key} is {files[key].value} without it, and takes "
                f"{describe_allowed_overrides(key)}"
            )
    # a multiple settles no contradiction between the values that it multiplies
    problems += contradictions(Candidate(values, files, all_values), command_line.refused_keys)
    if problems:
        raise ConfigError(problems)
    config: RunConfig = _build(RunConfig, all_values)
    return config


@dataclass
class _CommandLine:
    """The overrides read so far: valid values, keys with an invalid value, and problems."""

    values: dict[str, Any] = field(default_factory=dict)
    refused_keys: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def add(self, argument: str) -> None:
        """Read one override."""
        key, equals, text = argument.partition("=")
        if not equals:
            matches = [f"{name}={key}" for name in SELECTORS if key in choices_of(name)]
            near = f"; did you mean {matches[0]}?" if matches else did_you_mean(key, KEYS)
            self.problems.append(f"{argument} is not of the form KEY=VALUE{near}")
        elif key not in KEYS:
            self.problems.append(f"{argument}: {describe_unknown_key(key)}")
        else:
            self._set(argument, key, text)

    def _set(self, argument: str, key: str, text: str) -> None:
        try:
            value = parse_override(text, key)
        except ValueError:
            self.refused_keys.add(key)
            near = did_you_mean(text, choices_of(key))
            if key in ("task", "method"):
                near = near or f"; define your own {key}s in ./stablebert.yaml or --tasks FILE"
            self.problems.append(f"{argument}: {key} takes {describe_allowed_overrides(key)}{near}")
            return
        if self.values.setdefault(key, value) != value:
            self.refused_keys.add(key)
            self.problems.append(f"{argument}: {key} is given twice, with different values")

    def move_longer(self) -> None:
        """Turn `method=longer`, a row of the paper's Table 2, into `length=longer`."""
        methods = str(self.values.get("method", "")).split("+")
        if _LONGER in methods:
            others = [name for name in methods if name != _LONGER]
            self.values["method"] = "+".join(others) or "standard"
            length = self.values.setdefault("length", _LONGER)
            if length != _LONGER:
                self.problems.append(f"length={length} and method=longer contradict; drop one")


def _build(config: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
    """Build a dataclass from flat values."""
    return config(
        **{
            entry.name: _build(entry.type, values, f"{prefix}{entry.name}.")
            if is_dataclass(entry.type)
            else values[prefix + entry.name]
            for entry in fields(config)
        }
    )
