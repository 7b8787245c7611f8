"""The files of `conf/`, as dictionaries, and the folders that ship with the package."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from stablebert.errors import ConfigError
from stablebert.filesystem import expand_path, read_bytes
from stablebert.tasks import DEMO

PACKAGE = Path(__file__).parents[1]
# A wheel carries conf/ and sweeps/ inside the package, a checkout next to it. Look inside first:
# the folder next to an installed package is site-packages, which everybody shares.
CONF = next(p for p in (PACKAGE / "conf", PACKAGE.parent / "conf") if p.is_dir())
SWEEPS = CONF.parent / "sweeps"


@cache
def load_conf(name: str) -> dict[str, Any]:
    """Load a file of `conf/`, such as `base`, with OmegaConf's `${key}` for the value of a key.

    Raises:
        ConfigError: As `load_yaml`, or if the file is not made of named entries.
    """
    return load_entries(CONF / f"{name}.yaml")


def load_entries(path: Path) -> dict[str, Any]:
    """Load a file as `load_conf` does, wherever it is, and not only once.

    Raises:
        ConfigError: As `load_conf`.
    """
    content = load_yaml(path)
    if isinstance(content, dict):
        with _parsing(path):
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


def load_yaml(path: Path) -> Any:
    """Load a YAML file with plain types.

    Raises:
        ConfigError: If it is not valid YAML, gives a key twice, or has a number that YAML 1.1 reads
            as another one than it looks (010 is 8).
        OSError: If it cannot be read.
    """
    with _parsing(path):
        return yaml.load(read_bytes(path).decode("utf-8"), _Loader)  # a SafeLoader


class _AmbiguousError(yaml.MarkedYAMLError):  # type: ignore[misc]  # PyYAML has no type hints
    """Valid YAML that does not mean what it seems to."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's loader, which refuses what it would read silently as something else."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        """Construct a mapping whose keys are all different."""
        lines: dict[str, int] = {}
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                key, mark = key_node.value, key_node.start_mark
                if key in lines:
                    message = f"{key} is given twice, in lines {lines[key]} and {mark.line + 1}"
                    raise _AmbiguousError(problem=message, problem_mark=mark)
                lines[key] = mark.line + 1
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Construct a number that is written in plain decimal digits."""
        is_int = node.tag.endswith(":int")
        number = self.construct_yaml_int(node) if is_int else self.construct_yaml_float(node)
        if ":" in node.value or "_" in node.value or _LEADING_ZERO.match(node.value):
            message = f"YAML reads {node.value} as the number {number}; write it that way"
            raise _AmbiguousError(problem=message, problem_mark=node.start_mark)
        return number


for _name in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _Loader.construct_number)
_LEADING_ZERO = re.compile("[-+]?0[0-9a-zA-Z]")


@contextmanager
def _parsing(path: Path) -> Iterator[None]:
    """Raise a ConfigError that names the file if the block cannot parse it.

    PyYAML raises more than YAMLError: `!!int x` is a ValueError, `!!bool x` a KeyError, and deep
    nesting a RecursionError.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        if isinstance(error, _AmbiguousError):
            raise ConfigError([f"{place}: {error.problem}"]) from error
        reason = " ".join(str(getattr(error, "problem", None) or error).split())[:200]
        name = type(error).__name__
        raise ConfigError([f"{place}: not valid YAML ({name}: {reason})"]) from error


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
    """Yield every key of `base.yaml` with the comment next to it."""
    group = ""
    for line in (CONF / "base.yaml").read_text("utf-8").splitlines():
        if match := re.match(r"( *)(\w+):(.*?)(?:\s# (.*))?$", line):
            indent, name, value, comment = match.groups()
            if value.strip():
                yield f"{group}.{name}" if indent else name, comment or ""
            else:
                group = name


def model_folder(name: str) -> Path | None:
    """Return the local folder that `model.name` refers to, or None for a hub id."""
    folder = PACKAGE / "demo/model" if name == DEMO else expand_path("model.name", name)
    return folder if folder.is_dir() else None
