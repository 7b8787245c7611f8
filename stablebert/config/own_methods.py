"""The user's own methods: entries under `methods:` in a tasks file, checked before any is used."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from stablebert.config.files import flatten, load_shipped_conf
from stablebert.config.merge import GROUPS, LENGTH, SELECTORS, parse_setting
from stablebert.config.schema import KEYS
from stablebert.config.values import choices_of, did_you_mean
from stablebert.errors import ConfigError
from stablebert.tasks import TASKS
from stablebert.tasks.entries import NAME
from stablebert.yaml_files import parsing_yaml

METHOD_KEYS = {
    key for key, kind in KEYS.items() if kind.metadata.get("in_id", True) and key not in SELECTORS
}
"""Keys that a method may set: those that can change the result of a run."""


def parse_methods(content: Any, path: Path) -> dict[str, Any]:
    """Return the methods in the content of a tasks file, in the form of `conf/methods.yaml`.

    Raises:
        ConfigError: If anything is wrong with them; it holds every problem.
    """
    entries = content.get("methods", {}) if isinstance(content, dict) else {}
    if not isinstance(entries, dict):
        raise ConfigError([f"{path}: methods: expected an entry for each method"])
    if not entries:
        return {}
    shipped = load_shipped_conf("methods")
    tasks = content.get("tasks")
    own_tasks = [str(name) for name in tasks] if isinstance(tasks, dict) else []
    names = {
        "per_task": [*TASKS.glue, *own_tasks, *(f"{name}_1k" for name in own_tasks)],
        "per_method": [*shipped, *map(str, entries)],
        "per_length": choices_of("length"),
    }
    problems = []
    for name, entry in entries.items():
        place = f"{path}: methods.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            problems.append(
                f"{place}: a name has up to 40 letters, digits, _ and -, and starts with a letter"
            )
        elif name in shipped:
            problems.append(f"{place}: there is a method of this name; choose another")
        else:
            with parsing_yaml(path):  # an alias may refer to what contains it
                problems += _problems(entry, place, names)
    if problems:
        raise ConfigError(problems)
    return {name: entries[name] for name in sorted(entries)}  # the order of `a+b` is that of names


def _problems(entry: Any, place: str, names: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Yield what is wrong with an entry, or with the part of one for a task, method or length."""
    if not isinstance(entry, dict) or not entry:
        yield (
            f"{place}: expected keys of a run and their values, such as optimizer: {{lr: 1.0e-4}}, "
            f"not {entry!r:.80}"
        )
        return
    settings = flatten({key: value for key, value in entry.items() if key not in GROUPS})
    for key, value in settings.items():
        if key in KEYS and key not in METHOD_KEYS:
            yield f"{place}: {key} is not part of a method; set it on the command line"
            continue
        try:
            parse_setting(key, value)
        except ValueError as error:
            if key != "intermediate.task":
                yield f"{place}: {error}"
            elif value not in names["per_task"]:  # those of this file are not known yet
                near = did_you_mean(str(value), names["per_task"])
                yield f"{place}: {key}: there is no task {value}{near}"
    if all(settings.get(key) is not None for key in LENGTH):
        yield f"{place}: {' and '.join(LENGTH)} both set the length; drop one"
    for group in [key for key in entry if key in GROUPS]:
        if not isinstance(entry[group], dict):
            yield f"{place}.{group}: expected names with their settings, not {entry[group]!r:.80}"
            continue
        for name, part in entry[group].items():
            if name not in names[group]:
                near = did_you_mean(str(name), names[group])
                yield f"{place}.{group}: there is no {GROUPS[group]} {name}{near}"
            yield from _problems(part, f"{place}.{group}.{name}", names)
