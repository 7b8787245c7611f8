"""A configuration as plain values and as YAML."""

from dataclasses import fields, is_dataclass
from typing import Any

import yaml

from stablebert.config.schema import RunConfig


def flat_values(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of a configuration by dotted key, each of its own type."""
    values: dict[str, Any] = {}
    for entry in fields(config):
        value = getattr(config, entry.name)
        if is_dataclass(value):
            values |= flat_values(value, f"{prefix}{entry.name}.")
        else:
            values[prefix + entry.name] = value
    return values


def as_dict(config: Any) -> dict[str, Any]:
    """Return a configuration as nested plain values, as JSON, YAML and W&B hold it."""
    return {entry.name: _plain(getattr(config, entry.name)) for entry in fields(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return as_dict(value) if is_dataclass(value) else value


def format_value(value: object) -> str:
    """Return a value as typed on the command line."""
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_value, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def to_yaml(cfg: RunConfig) -> str:
    """Return a configuration as YAML; equal configurations give the same text."""
    text: str = yaml.dump(as_dict(cfg), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no type hints
    """PyYAML's dumper; OmegaConf's takes `${` in a text for an interpolation and refuses some."""


def _represent_str(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quote text that some YAML readers take for a number, such as the commit 12345e67."""
    style = "'" if text[:1] in "+-.0123456789" else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_str)
