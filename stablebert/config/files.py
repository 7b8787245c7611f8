"""The files of `conf/`, as dictionaries, and the folders that ship with the package."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from stablebert.tasks import DEMO

PACKAGE = Path(__file__).parents[1]
# A wheel carries conf/ and sweeps/ inside the package, a checkout next to it. Look inside first:
# the folder next to an installed package is site-packages, which everybody shares.
CONF = next(p for p in (PACKAGE / "conf", PACKAGE.parent / "conf") if p.is_dir())
SWEEPS = CONF.parent / "sweeps"


@cache
def load_conf(name: str) -> dict[str, Any]:
    """Load a file of `conf/`, such as `base`.

    OmegaConf refuses duplicate keys and reads 2e-5 as a number; plain YAML does neither.
    """
    content: Any = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"), resolve=True)
    return dict(content)


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
    folder = PACKAGE / "demo/model" if name == DEMO else Path(name).expanduser()
    return folder if folder.is_dir() else None
