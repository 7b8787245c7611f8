"""YAML files, read with plain types, and the folder of those that ship with the package."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from stablebert.errors import ConfigError
from stablebert.filesystem import read_bytes

PACKAGE = Path(__file__).parent
# A wheel carries conf/ and sweeps/ inside the package, a checkout next to it. Look inside first:
# the folder next to an installed package is site-packages, which everybody shares.
CONF = next(p for p in (PACKAGE / "conf", PACKAGE.parent / "conf") if p.is_dir())


def load_yaml(path: Path) -> Any:
    """Load a YAML file with plain types.

    Raises:
        ConfigError: If it is not valid YAML, gives a key twice, or has a number that YAML 1.1 reads
            as another one than it looks (010 is 8).
        OSError: If it cannot be read.
    """
    with parsing_yaml(path):
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
def parsing_yaml(path: Path) -> Iterator[None]:
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
