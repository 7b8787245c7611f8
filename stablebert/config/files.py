"""The files of `conf/`, as dictionaries, and the folders that ship with the package."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from stablebert.errors import ConfigError
from stablebert.filesystem import expand_path
from stablebert.tasks import DEMO, TASKS
from stablebert.yaml_files import CONF, PACKAGE, load_yaml, parsing_yaml

OWN_METHODS: dict[str, Any] = {}
"""The user's methods, which `stablebert.config.own_tasks` sets, in the form of `methods.yaml`."""
SWEEPS = CONF.parent / "sweeps"


@cache
def load_conf(name: str) -> dict[str, Any]:
    """Load a file of `conf/`, such as `base`, with the entries of the user's tasks file.

    Raises:
        ConfigError: As `load_entries`.
        OSError: As `load_entries`.
    """
    own = {"tasks": _own_task_settings(), "methods": OWN_METHODS}
    return {**load_shipped_conf(name), **own.get(name, {})}


def load_shipped_conf(name: str) -> dict[str, Any]:
    """Load a file of `conf/`, without the entries of the user's tasks file.

    Raises:
        ConfigError: As `load_entries`.
        OSError: As `load_entries`.
    """
    return load_entries(CONF / f"{name}.yaml")


def describe_file(name: str, entry: str = "") -> str:
    """Return the file that has an entry, for messages: `conf/NAME.yaml`, or the user's."""
    is_own = name == "methods" and entry in OWN_METHODS
    return "the tasks file" if is_own else f"conf/{name}.yaml"


def _own_task_settings() -> dict[str, Any]:
    """Return the settings of the user's tasks, in the form of `conf/tasks.yaml`."""
    entries: dict[str, Any] = {}
    for task in TASKS.values():
        if task.own:
            steps = {"trainer": {"max_steps": task.own.longer_steps}}
            entries[task.name] = {
                "data": {"source": task.own.source},
                **({"length": {"longer": steps}} if task.own.longer_steps else {}),
            }
    return entries


def load_entries(path: Path) -> dict[str, Any]:
    """Load a file of named entries, with OmegaConf's `${key}` for the value of a key.

    Raises:
        ConfigError: If the file is not valid YAML, or is not made of named entries.
        OSError: If it cannot be read.
    """
    content = load_yaml(path)
    if isinstance(content, dict):
        with parsing_yaml(path):
            content = OmegaConf.to_container(OmegaConf.create(content), resolve=True)
    return _check_entries(content, str(path), _LEVELS.get(path.stem, 1))


_LEVELS = {"base": 0, "selected": 3}
"""Levels of names above the settings of an entry, in files that have not just one."""
_FACTS = {"layers": int, "paper": str, "aliases": list, "config": dict}
"""Types of values that are not settings."""


def _check_entries(content: Any, where: str, levels: int) -> dict[str, Any]:
    """Return named entries, an empty one for null, after a check of everything but settings."""
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ConfigError([f"{where}: expected names with their settings"])
    entries = {}
    for name, value in content.items():
        inner, place = value, f"{where}: {name}"
        if levels > 0:
            inner = _check_entries({} if value is None else value, place, levels - 1)
        elif name.startswith("per_") or (name == "length" and isinstance(value, dict)):
            inner = _check_entries(value, place, 1)
        elif name == "provenance":
            inner = _check_entries(value, place, 0)
        elif name in _FACTS and not isinstance(value, _FACTS[name]):
            raise ConfigError([f"{place}: expected a {_FACTS[name].__name__}, not {value}"])
        elif name == "aliases" and not all(isinstance(alias, str) for alias in value):
            raise ConfigError([f"{place}: expected a list of texts, not {value}"])
        entries[name] = inner
    return entries


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings into one mapping from dotted keys to values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def documented_keys() -> Iterator[tuple[str, str]]:
    """Yield every key of `base.yaml` with the comment next to it, which may span lines."""
    group, key, comments = "", "", dict[str, str]()
    for line in (CONF / "base.yaml").read_text("utf-8").splitlines():
        if match := re.match(r"( *)(\w+):(.*?)(?:\s# (.*))?$", line):
            indent, name, value, comment = match.groups()
            if value.strip():
                key = f"{group}.{name}" if indent else name
                comments[key] = comment or ""
            else:
                group = name
        elif match := re.match(r" +# (.*)", line):
            comments[key] += f" {match[1]}"
    yield from comments.items()


def model_folder(name: str) -> Path | None:
    """Return the local folder that `model.name` refers to, or None for a hub id."""
    folder = PACKAGE / "demo/model" if name == DEMO else expand_path("model.name", name)
    return folder if folder.is_dir() else None
