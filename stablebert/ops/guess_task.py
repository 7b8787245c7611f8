"""A guess of a task's entry from its files, for `stablebert init-task`."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from math import ceil, floor
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from stablebert.errors import ActionableError
from stablebert.glue.own_files import find_split
from stablebert.glue.own_rows import READERS, RawRows, read_raw_rows
from stablebert.text import count_of

SPLIT_NAMES = {
    "train": ("train", "training"),
    "dev": ("dev", "valid", "validation", "val", "eval"),
    "test": ("test",),
}
"""Words in the names of files, by split."""
LABEL_NAMES = ("label", "labels", "class", "category", "target", "gold", "score", "similarity")
MOST_CLASSES = 50


class GuessError(ActionableError):
    """Files from which no entry can be guessed."""


@dataclass(frozen=True)
class Guess:
    """An entry, with the reason for each value that is a guess.

    Attributes:
        values: Values by key, in the order of the file.
        reasons: Reason for a value, by key.
        rows: Texts and label of the first training rows.
    """

    values: dict[str, Any]
    reasons: dict[str, str]
    rows: list[list[str]]

    def to_yaml(self, name: str) -> str:
        """Return the entry as a tasks file; the reasons are comments."""
        lines = ["tasks:", f"  {name}:"]
        for key, value in self.values.items():
            text = yaml.safe_dump([value], default_flow_style=True, width=10**6, sort_keys=False)
            comment = f"  # guess: {self.reasons[key]}" if key in self.reasons else ""
            lines.append(f"    {key}: {text.strip()[1:-1]}{comment}")
        return "\n".join([*lines, ""])


def guess_entry(folder: Path, data: str) -> Guess:
    """Guess the entry of a task from the files in a folder.

    Args:
        folder: The folder.
        data: The folder as the entry is to name it.

    Raises:
        GuessError: If there are no files of two splits, or no columns of texts and of a label.
        DataError: If a file cannot be read.
    """
    splits = _find_splits(folder)
    tables = {split: _read_split(folder, name) for split, name in splits.items()}
    train, file = tables["train"], find_split(folder, splits["train"])[0]
    if not train.rows:
        raise GuessError(f"{file}: no rows")
    label, label_reason = _guess_label(file, train)
    texts = _guess_texts(file, train, label)
    values: dict[str, Any] = {"data": data, "text": texts, "label": label}
    reasons = {
        "splits": "from the names of the files",
        "text": "the one or two columns with the most words",
        "label": label_reason,
    }
    labels = {
        _name_of(value)
        for table in tables.values()
        if label in table.columns
        for value in _column(table, label)
        if value is not None and str(value).strip()
    }
    if classes := read_raw_rows(file, [label]).class_names or _guess_classes(labels):
        if len(classes) > MOST_CLASSES:
            raise GuessError(f"{file}: column {label!r} has {len(classes)} labels")
        values["labels"] = [*classes]
        reasons["labels"] = "all that occur"
    else:
        numbers = [float(value) for value in labels]
        values |= {"labels": "regression", "range": [floor(min(numbers)), ceil(max(numbers))]}
        reasons["labels"] = f"all are numbers, {count_of(len(numbers), 'distinct value')}"
        reasons["range"] = "the lowest and the highest in the files"
    values["splits"] = splits
    least = 1 if values["labels"] == "regression" else len(values["labels"])
    if len(train.rows) < 2000:
        values["samples"] = max(len(train.rows) // 2, least)
        reasons["samples"] = "half of the training rows"
    if "dev" not in splits:
        values["held_out"] = max(len(train.rows) // 5, least)
        reasons["held_out"] = "a fifth of the training rows, as there is no dev split"
    rows = [[str(value) for value in row] for row in _select(train, [*texts, label])[:10]]
    return Guess(values, reasons, rows)


def _find_splits(folder: Path) -> dict[str, str]:
    """Return the value of `splits` for each split whose name occurs in the name of a file."""
    names = list(dict.fromkeys(_split_values(folder)))
    splits: dict[str, str] = {}
    for split, words in SPLIT_NAMES.items():
        own = [name for name in names if set(words) & {*re.split("[^a-z]+", _stem(name))}]
        if len(own) > 1:
            raise GuessError(
                f"{folder}: several files of {split}: {', '.join(own)}; "
                "write the entry by hand, with a pattern of files in splits: docs/own-task.md"
            )
        if own:
            splits[split] = own[0]
    if "train" not in splits or len(splits) < 2:
        raise GuessError(
            f"{folder}: needs a file with train in its name, and one with dev or test, ending in "
            f"{', '.join(READERS)}; found {', '.join(names) or 'none'}"
        )
    return splits


def _split_values(folder: Path) -> Iterator[str]:
    """Yield files, patterns of the files that are numbered as parts of one, and saved datasets."""
    for place in (folder, folder / "data"):
        for path in sorted(place.iterdir()) if place.is_dir() else []:
            name = path.relative_to(folder).as_posix()
            if path.suffix.lower() in READERS:
                part = re.fullmatch(r"(.*-)\d+-of-0*(\d+)(\.\w+)", name)
                yield f"{part[1]}*{part[3]}" if part and part[2] != "1" else name
            elif path.is_dir() and any(path.glob("*.arrow")):
                yield name


def _stem(name: str) -> str:
    return Path(name).stem.lower()


def _read_split(folder: Path, name: str) -> RawRows:
    """Read the files of a split as one."""
    files = find_split(folder, name)
    if not files:
        found = ", ".join(sorted(path.name for path in folder.glob(name)))
        raise GuessError(f"{folder}: {name} is not complete; found {found or 'none'}")
    first, *others = (read_raw_rows(file) for file in files)
    rows = list(first.rows)
    for table in others:
        if set(table.columns) != set(first.columns):
            raise GuessError(f"{folder}: the files of {name} have different columns")
        rows += enumerate(_select(table, first.columns), start=len(rows))
    return replace(first, rows=rows)


def _guess_label(file: Path, table: RawRows) -> tuple[str, str]:
    """Return the label column and the reason for it."""
    for name in table.columns:
        if name.lower() in LABEL_NAMES:
            return name, "by its name"
    counts = {name: len({str(v) for v in _column(table, name)}) for name in table.columns}
    few = [name for name, n in counts.items() if 1 < n <= min(MOST_CLASSES, len(table.rows) / 2)]
    if not few:
        raise GuessError(
            f"{file}: no column looks like a label, which has a few values that repeat; the "
            f"columns are {', '.join(table.columns)}; write the entry by hand: docs/own-task.md"
        )
    return few[-1], f"the last column with a few values ({counts[few[-1]]})"


def _guess_texts(file: Path, table: RawRows, label: str) -> list[str]:
    words = {}
    for name in table.columns:
        values = [value for value in _column(table, name) if isinstance(value, str)]
        if name != label and values:
            words[name] = mean(len(value.split()) for value in values)
    texts = [name for name, count in words.items() if count >= 2] or [*words][:1]
    longest = sorted(texts, key=lambda name: -words[name])[:2]
    if not longest:
        raise GuessError(f"{file}: no column of texts; the columns are {', '.join(table.columns)}")
    return [name for name in texts if name in longest]


def _guess_classes(labels: Collection[str]) -> list[str]:
    """Return the names of the classes; none for a regression."""
    are_numbers = all(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", label) for label in labels)
    if not are_numbers:
        return sorted(labels)
    are_classes = all(label.isdigit() for label in labels) and len(set(labels)) <= 10
    return sorted(labels, key=int) if are_classes else []


def _name_of(value: Any) -> str:
    """Return a label as an entry names it."""
    is_integer = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_integer else value).strip()


def _column(table: RawRows, name: str) -> list[Any]:
    return [row[0] for row in _select(table, [name])]


def _select(table: RawRows, names: Iterable[str]) -> list[list[Any]]:
    """Return the values of some columns of each row."""
    positions = [list(table.columns).index(name) for name in names]
    return [[values[position] for position in positions] for _, values in table.rows]
