"""The order in which the files of `conf/` and the command line merge into one configuration.

Merge rule: base <- task <- method <- method.per_task[task] <- model <- length <- scale <- selected
<- command line; several methods merge one after the other. What a method sets is its definition: a
general value of a model, length or scale does not override it, only their entries for that method
(`per_method`), a selection or the command line do. In the same way, a general value of a length or
scale does not override what a model sets for itself. Epochs and steps are one value, the length of
training; under `length=longer` it comes from an entry for that length, or is refused as missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any

from stablebert.config.files import describe_file, flatten, load_conf
from stablebert.config.recognition import AUTO, FACTS, recognize
from stablebert.config.schema import KEYS
from stablebert.config.serialize import format_value
from stablebert.config.values import describe_allowed_values, describe_unknown_key, parse_value
from stablebert.errors import ConfigError

SELECTORS = ("task", "method", "length", "scale")
"""The keys that select entries of the files in `conf/`."""
GROUPS = {f"per_{selector}": selector for selector in SELECTORS[:3]}
"""Keys of an entry that hold its values for one task, method or length, by name."""
NOT_SETTINGS = {"tasks": ("length",), "models": FACTS, "selected": ("provenance",)}
"""Keys of an entry, by file, that are neither settings nor groups of settings."""
LENGTH = {"trainer.epochs": "trainer.max_steps", "trainer.max_steps": "trainer.epochs"}
"""The two keys of the length of training; setting one of them sets the other to null."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and the entry of `conf/` that sets it."""

    value: Any
    file: str = ""
    path: tuple[str, ...] = ()

    @property
    def is_general(self) -> bool:
        """True if the value is not for one method."""
        return "per_method" not in self.path and self.file != "selected"

    @property
    def is_for_length(self) -> bool:
        """True if the value is for one length of training."""
        return bool({"per_length", "length"} & set(self.path)) or self.file == "selected"

    @property
    def origin(self) -> str:
        """The entry, for messages: `conf/methods.yaml (reinit per_task rte)`."""
        file = describe_file(self.file, *self.path[:1])
        return file + (f" ({' '.join(self.path)})" if self.path else "")


Settings = Mapping[str, Setting]
"""Settings by dotted key: flat, so that a merge cannot turn a value into a group."""


def merge_files(selection: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
    """Merge the files of `conf/`.

    Args:
        selection: Value of each of `SELECTORS`.
        overrides: Values of the command line, which may name the model.

    Returns:
        A setting of every key; `model.like` is the entry of `conf/models.yaml` in use.

    Raises:
        ConfigError: If a file has an unknown key or a value that is not allowed.
    """
    selectors = tuple(selection[key] for key in SELECTORS)
    # The model's entry merges before the scale, which may be what names the model.
    model = {**values_of(_merge_files(*selectors, AUTO)), **overrides}
    entry = model["model.like"]
    if entry == AUTO:
        entry = recognize(model["model.name"], model["model.revision"]) or AUTO
    return _merge_files(*selectors, entry)


@cache
def _merge_files(task: str, method: str, length: str, scale: str, model: str) -> Settings:
    """Merge the files with one entry of `conf/models.yaml`."""
    selection = {"task": task, "method": method, "length": length}
    methods = method.split("+")
    settings: Settings = {}
    definition: set[str] = set()

    def add(*path: str) -> None:
        """Merge an entry, except for general values of keys in the definition."""
        nonlocal settings
        entry = entry_settings(selection, *path)
        own = {key for key, s in entry.items() if key in definition and s.is_general}
        settings = merge(settings, {key: s for key, s in entry.items() if key not in own})

    def define(*entries: tuple[str, ...]) -> None:
        """Merge entries, and keep the values that they set from being overridden."""
        for path in entries:
            add(*path)
        keys = {key for path in entries for key in entry_settings(selection, *path)}
        definition.update(keys, (LENGTH[key] for key in keys & LENGTH.keys()))

    add("base")
    add("tasks", task)
    define(*(("methods", name) for name in methods))
    define(("models", model))
    add("tasks", task, "length", length)
    add("scales", scale)
    for name in dict.fromkeys([*methods, method]):  # the combination last
        add("selected", scale, task, name)
    return MappingProxyType({**settings, "model.like": Setting(model, "models")})


@cache
def method_settings(task: str, method: str, length: str, scale: str, model: str) -> Settings:
    """Return all settings for one method: its definition, and what other entries set for it."""
    selection = {"task": task, "method": method, "length": length}
    others = [("models", model), ("tasks", task, "length", length), ("scales", scale)]
    entries = [entry_settings(selection, *path) for path in others]
    return merge(
        entry_settings(selection, "methods", method),
        *({key: s for key, s in entry.items() if not s.is_general} for entry in entries),
        entry_settings(selection, "selected", scale, task, method),
    )


def clear_merged_files() -> None:
    """Merge the files again when they are needed, because their content has changed."""
    _merge_files.cache_clear()
    method_settings.cache_clear()


def entry_settings(selection: Mapping[str, str], file: str, *path: str) -> dict[str, Setting]:
    """Return an entry's settings, overridden by those for the selected task, methods and length.

    Args:
        selection: Value of `task`, `method` and `length`.
        file: Name of a file of `conf/`.
        path: Path of the entry in the file; without an entry there are no settings.

    Raises:
        ConfigError: If the entry has an unknown key or a value that is not allowed.
    """
    entry: Any = load_conf(file)
    for name in path:
        entry = entry.get(name) or {}
    settings = {}
    own = {k: v for k, v in entry.items() if k not in (*GROUPS, *NOT_SETTINGS.get(file, ()))}
    for key, raw in flatten(own).items():
        try:
            settings[key] = Setting(parse_setting(key, raw), file, path)
        except ValueError as error:
            raise ConfigError([f"conf/{file}.yaml: {' '.join(path)}: {error}"]) from None
    for group, selector in GROUPS.items():
        for name in selection[selector].split("+"):
            if entry.get(group, {}).get(name):
                settings |= entry_settings(selection, file, *path, group, name)
    return settings


def parse_setting(key: str, raw: Any) -> Any:
    """Parse the value of a key in a file, by the same rules as on the command line.

    Raises:
        ValueError: With the reason, if there is no such key or the value is not allowed.
    """
    if key not in KEYS:
        raise ValueError(describe_unknown_key(key))
    try:
        return parse_value(str(raw), key)
    except ValueError:
        raise ValueError(
            f"{key}={format_value(raw)}: {key} takes {describe_allowed_values(key)}"
        ) from None


def merge(*layers: Settings) -> dict[str, Setting]:
    """Merge layers, later ones overriding earlier ones.

    Of `trainer.epochs` and `trainer.max_steps` only the one set last remains; the other is None.
    """
    settings: dict[str, Setting] = {}
    for layer in layers:
        settings |= layer
        for key in ("trainer.max_steps", "trainer.epochs"):
            if key in layer and layer[key].value is not None:
                settings[LENGTH[key]] = replace(layer[key], value=None)
                break
    return settings


def values_of(settings: Settings) -> dict[str, Any]:
    """Return the values of settings by dotted key."""
    return {key: setting.value for key, setting in settings.items()}
