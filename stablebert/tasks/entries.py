"""Entries of a tasks file, parsed into tasks; every problem of a file is in one error.

An entry is the value of a name under `tasks:`; docs/own-task.md describes its keys. Those of GLUE
have no `data`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from stablebert.errors import ConfigError
from stablebert.filesystem import expand_path
from stablebert.tasks.metric_entries import parse_metric
from stablebert.tasks.metrics import METRICS, Metric
from stablebert.tasks.task import OwnData, Task
from stablebert.yaml_files import load_yaml

KEYS = (
    *("data", "splits", "text", "label", "labels", "range", "metrics", "rule", "held_out"),
    *("samples", "longer_steps", "title"),
)
SPLITS = ("train", "dev", "test")
RULES = {
    "halve_dev": ("train", "dev"),
    "hold_out": ("train", "dev or test"),
    "given": ("train", "dev", "test"),
}
"""Splits that each value of `rule` needs."""
_TOKEN_COLUMNS = ("input_ids", "token_type_ids")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
"""Names of tasks and methods."""
HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+")


def read_tasks(path: Path, *, own: bool = True, taken: Collection[str] = ()) -> list[Task]:
    """Read the tasks of a file.

    Args:
        path: The file.
        own: Whether the tasks are the user's, which name their data.
        taken: Names that the tasks cannot have.

    Raises:
        ConfigError: If anything is wrong; it holds every problem of the file.
        OSError: If the file cannot be read.
    """
    return parse_tasks(load_yaml(path), path, own=own, taken=taken)


def parse_tasks(
    content: Any, path: Path, *, own: bool = True, taken: Collection[str] = ()
) -> list[Task]:
    """Return the tasks in the content of a file; see `read_tasks`."""
    content = content if isinstance(content, dict) else {}
    entries = content.get("tasks", {} if "methods" in content else None)
    if not isinstance(entries, dict):
        raise ConfigError([f"{path}: expected `tasks:` with an entry for each task, or `methods:`"])
    unknown_keys = [key for key in content if key not in ("tasks", "methods")]
    problems = [f"{path}: unknown key {key}; allowed: tasks, methods" for key in unknown_keys]
    tasks = []
    for name, values in entries.items():
        entry = _Entry(f"{path}: tasks.{name}")
        if not isinstance(name, str) or not NAME.fullmatch(name) or name.endswith("_1k"):
            entry.add(
                "",
                "a name has up to 40 letters, digits, _ and -, starts with a letter, and does not "
                "end with _1k, which marks the few-sample version",
            )
        elif name in taken:
            entry.add("", "GLUE has a task of this name; choose another")
        elif not isinstance(values, dict):
            entry.add("", f"expected keys and values, such as text: [sentence], not {values!r:.80}")
        else:
            entry.values = values
            tasks.append(entry.parse(name, path.parent if own else None))
        problems += entry.problems
    if problems:
        raise ConfigError(problems)
    return tasks


@dataclass
class _Entry:
    """An entry being parsed. Each method reads one key, and notes its problems."""

    place: str
    values: dict[Any, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, key: str, problem: str) -> None:
        """Note a problem of a key, or of the entry."""
        self.problems.append(f"{self.place}{'.' if key else ''}{key}: {problem}")

    def parse(self, name: str, folder: Path | None) -> Task:
        """Return the task, which is only valid if there are no problems.

        Args:
            name: Name of the task.
            folder: Folder to which the path of a user's data is relative; None for GLUE.
        """
        for key in self.values:
            if key not in KEYS:
                near = get_close_matches(str(key), KEYS, n=1)
                advice = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(KEYS)}"
                self.add("", f"unknown key {key}; {advice}")
        labels = self._labels()
        splits = self._splits(needed=folder is not None)
        rule = self._rule(splits)
        files = splits or {}
        dev = "dev" if "dev" in files or not files else "test"
        return Task(
            name=name,
            config=name,
            title=self._text("title", name),
            columns=self._columns(),
            labels=labels,
            metrics=self._metrics(labels),
            holds_out=rule == "hold_out",
            dev_split=dev if folder else files.get("dev", "validation"),
            test_split="test" if rule == "given" else None,
            score_range=self._range(is_regression=not labels),
            label_column=self._text("label", "label"),
            held_out=self._rows("held_out", labels),
            samples=self._rows("samples", labels),
            own=self._own(folder, files) if folder else None,
        )

    def _own(self, folder: Path, files: dict[str, str]) -> OwnData:
        steps = self._count("longer_steps") if "longer_steps" in self.values else None
        text = self._text("data", "")
        if not text:
            self.add("data", "expected a folder, or the id of a dataset on the hub (OWNER/NAME)")
            return OwnData("", ())
        path = folder.absolute() / expand_path(f"{self.place}.data", text)
        is_hub_id = not path.exists() and HUB_ID.fullmatch(text)
        return OwnData(text if is_hub_id else str(path), tuple(files.items()), steps)

    def _splits(self, *, needed: bool) -> dict[str, str] | None:
        """Return the file or name of each split in the order of `SPLITS`, None if one is wrong."""
        value = self.values.get("splits", {} if not needed else None)
        names = value if isinstance(value, dict) else {}
        is_valid = all(key in SPLITS and isinstance(v, str) and v for key, v in names.items())
        if not isinstance(value, dict) or not is_valid or (needed and "train" not in names):
            self.add(
                "splits",
                "expected the file or name of each split, such as {train: train.csv, dev: "
                f"dev.csv}}, of train, dev and test; got {value!r:.80}",
            )
            return None
        if needed and len(names) == 1:
            self.add("splits", "train needs dev or test next to it, to score the task on")
            return None
        return {split: names[split] for split in SPLITS if split in names}

    def _rule(self, splits: dict[str, str] | None) -> str:
        """Return the splitting rule: the one given, or the one that fits the splits."""
        files = splits or {}
        fitting = "given" if {"dev", "test"} <= files.keys() else "halve_dev"
        fitting = "hold_out" if "test" in files and "dev" not in files else fitting
        rule = self.values.get("rule", fitting)
        if not isinstance(rule, str) or rule not in RULES:
            self.add("rule", f"{rule!r:.80}; allowed: {', '.join(RULES)}")
            return fitting
        if splits is None:
            return rule  # nothing can be said of its splits
        names = files.keys() or {"train", "dev"}
        fits = {
            "halve_dev": names == {"train", "dev"},
            "hold_out": len(names) == 2,
            "given": names == {*SPLITS},
        }
        if rule != fitting and not fits[rule]:
            self.add(
                "rule",
                f"{rule} needs the splits {', '.join(RULES[rule])}, and the entry has "
                f"{', '.join(names)}; drop rule to use {fitting}",
            )
        if "held_out" in self.values and rule != "hold_out":
            self.add("held_out", f"has no effect with rule={rule}; set rule: hold_out, or drop it")
        return rule

    def _columns(self) -> tuple[str, ...]:
        columns = self._names("text")
        if not 1 <= len(columns) <= 2 or len(set(columns)) < len(columns):
            self.add("text", f"expected one or two columns, got {self.values.get('text')!r:.80}")
        elif taken := {"label", str(self.values.get("label")), *_TOKEN_COLUMNS} & set(columns):
            self.add(
                "text",
                f"{', '.join(taken)}: a text column cannot be the label, or be called "
                "label, input_ids or token_type_ids; rename it in the files",
            )
        return columns

    def _labels(self) -> tuple[str, ...]:
        if self.values.get("labels") == "regression":
            return ()
        number = len(self.problems)
        labels = self._names("labels")
        if len(labels) >= 2 and len(set(labels)) == len(labels):
            return labels
        if len(self.problems) == number:
            self.add(
                "labels",
                "expected `regression`, or a list of at least two different labels, such as "
                f"[negative, positive]; got {self.values.get('labels')!r:.80}",
            )
        return ("unknown", "unknown too")

    def _range(self, *, is_regression: bool) -> tuple[int, int]:
        value = self.values.get("range")
        if is_regression:
            if isinstance(value, list) and [type(v) for v in value] == [int, int]:
                low, high = value
                if low < high:
                    return low, high
            self.add("range", f"expected [LOWEST, HIGHEST] label, integers; got {value!r:.80}")
        elif "range" in self.values:
            self.add("range", "is only for labels: regression; drop it")
        return 0, 5

    def _metrics(self, labels: tuple[str, ...]) -> tuple[Metric, ...]:
        """Return the metrics, with the one that the test against chance needs, if it needs one."""
        num_labels = len(labels) or 1
        default = ["accuracy"] if labels else ["spearman", "pearson"]
        value = self.values.get("metrics", default)
        entries = value if isinstance(value, list) else [value]
        metrics = []
        for entry in entries:
            try:
                metrics.append(parse_metric(entry, num_labels=num_labels))
            except ValueError as error:
                self.add("metrics", str(error))
        keys = [metric.key for metric in metrics]
        if duplicates := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
            self.add("metrics", f"{', '.join(duplicates)}: name each metric once")
        if not entries:
            self.add("metrics", f"expected at least one; without the key: {', '.join(default)}")
        if len(metrics) < len(entries) or not metrics:
            return (METRICS[default[0]],)
        if metrics[0].lowest is None:
            self.add(
                "metrics",
                f"{metrics[0].title} cannot be the first, which selects the best weights and is "
                f"reported x 100: its best value is not 1, or it can be below -1; put {default[0]} "
                "in front of it",
            )
        if "f1" in keys or metrics[0].class_name:
            metrics += [METRICS[key] for key in default[:1] if key not in keys]
        return tuple(metrics)

    def _names(self, key: str) -> tuple[str, ...]:
        """Return a list of names; a single name is a list of one."""
        value = self.values.get(key)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if any(isinstance(item, bool) for item in items):
            self.add(key, f"YAML reads {value} as true or false; put names into quotes")
        elif any(not isinstance(item, str | int) or str(item).strip() == "" for item in items):
            self.add(key, f"expected names, got {value!r:.80}")
        return tuple(str(item) for item in items)

    def _text(self, key: str, default: str) -> str:
        value = self.values.get(key, default)
        if key in self.values and (not isinstance(value, str) or not value.strip()):
            self.add(key, f"expected a text, got {value!r:.80}")
            return default
        return str(value)

    def _rows(self, key: str, labels: tuple[str, ...]) -> int:
        """Return a number of training rows, of which each label gets an equal share."""
        number = self._count(key, default=1000)
        if key in self.values and number < len(labels):
            self.add(key, f"expected at least {len(labels)}, a row of each label; got {number}")
        return number

    def _count(self, key: str, default: int = 1) -> int:
        value = self.values.get(key, default)
        if type(value) is not int or value < 1:
            self.add(key, f"expected an integer of at least 1, got {value!r:.80}")
            return default
        return value
