"""The layers of a configuration, from the files of `conf/`, and the order in which they merge.

Merge order: base <- task <- method <- method.per_task[task] <- model <- length <- scale <-
selected <- command line; several methods merge one after the other. A layer is a flat mapping from
dotted keys to values, so a merge is a dictionary update and cannot turn a value into a group.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stablebert.config.files import flatten, load_conf
from stablebert.config.recognition import AUTO, FACTS, recognize
from stablebert.config.schema import KEYS
from stablebert.config.values import describe_allowed_values, describe_unknown_key, parse_value
from stablebert.errors import ConfigError

SELECTORS = ("task", "method", "length", "scale")
"""The keys that select entries of the files in `conf/`."""


def file_layers(selection: Mapping[str, str], overrides: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all layers below the command line, in merge order.

    Args:
        selection: Value of each of `SELECTORS`.
        overrides: Values of the command line, which may name the model.

    Raises:
        ConfigError: If a file has an unknown key or a value that is not allowed.
    """

    def layer(file: str, *path: str, without: Sequence[str] = ()) -> dict[str, Any]:
        entry: Any = load_conf(file)
        for name in path:
            entry = entry.get(name) or {}
        settings = {key: value for key, value in entry.items() if key not in without}
        where = f"{file}.yaml: {' '.join(path)}" if path else f"{file}.yaml"
        return entry_values(settings, selection, where)

    task, length, scale = (selection[key] for key in ("task", "length", "scale"))
    methods = selection["method"].split("+")
    below = [layer("base"), layer("tasks", task, without=["length"])]
    below += [layer("methods", method) for method in methods]
    above = [
        layer("tasks", task, "length", length),
        layer("scales", scale),
        *(layer("selected", scale, task, method, without=["provenance"]) for method in methods),
    ]
    if len(methods) > 1:  # the selection for the combination of methods
        above.append(layer("selected", scale, task, selection["method"], without=["provenance"]))
    # The model's entry merges before the scale, which may be what names the model.
    model = merge(*below, *above, overrides)
    entry = model["model.like"]
    if entry == AUTO:
        entry = recognize(model["model.name"], model["model.revision"]) or AUTO
    return [*below, layer("models", entry, without=FACTS), *above, {"model.like": entry}]


def entry_values(
    entry: Mapping[str, Any], selection: Mapping[str, str], where: str
) -> dict[str, Any]:
    """Return an entry's values, overridden by its values for the selected task, methods and length.

    Args:
        entry: Nested values. `per_task`, `per_method` and `per_length` hold entries by name.
        selection: Value of `task`, `method` and `length`.
        where: File and entry, for errors.

    Raises:
        ConfigError: If the entry has an unknown key or a value that is not allowed.
    """
    groups = {f"per_{selector}": selector for selector in ("task", "method", "length")}
    values = {}
    for key, raw in flatten({k: v for k, v in entry.items() if k not in groups}).items():
        if key not in KEYS:
            raise ConfigError([f"conf/{where}: {describe_unknown_key(key)}"])
        try:  # as text: files follow the same rules as the command line
            values[key] = parse_value(str(raw), key)
        except ValueError:
            advice = f"{key} takes {describe_allowed_values(key)}"
            raise ConfigError([f"conf/{where}: {key}={raw}: {advice}"]) from None
    for group, selector in groups.items():
        for name in selection[selector].split("+"):
            inner = entry.get(group, {}).get(name, {})
            values |= entry_values(inner, selection, where) if inner else {}
    return values


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge layers, later ones overriding earlier ones.

    Of `trainer.epochs` and `trainer.max_steps` only the one set last remains; the other is None.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values |= layer
        if layer.get("trainer.max_steps") is not None:
            values["trainer.epochs"] = None
        elif layer.get("trainer.epochs") is not None:
            values["trainer.max_steps"] = None
    return values
