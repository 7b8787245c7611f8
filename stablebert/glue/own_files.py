"""Files of a user's task: in a folder, or of a dataset on the hub."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stablebert import hub
from stablebert.filesystem import expand_path
from stablebert.glue.own_rows import READERS
from stablebert.glue.rows import DataError
from stablebert.hub import Content
from stablebert.tasks import OwnData, Task
from stablebert.tasks.entries import HUB_ID

Files = dict[str, tuple[Path, ...]]
"""Files of each split, in row order."""


def find_own_files(
    source: str, task: Task, data: OwnData, revision: str | None, *, download: bool
) -> tuple[Files, Content]:
    """Find the files of a user's task, and identify their content together with the task's entry.

    Args:
        source: A folder, or the id of a dataset on the hub.
        task: The task.
        data: Its data.
        revision: Commit, tag or branch of the dataset; ignored for a folder.
        download: False accepts only what the hub's cache has, and uses no network.

    Raises:
        DataError: If the files of a split are missing.
        stablebert.hub.HubError: If there is no such folder, and the hub cannot deliver the files.
    """
    folder, address = expand_path("data.source", source), None
    if is_dataset_id(source):
        folder = fetch_own_data(source, data, revision, download=download)
        address = f"{source}@{folder.name}"
    elif not folder.is_dir():
        raise DataError(
            f"task={task.name}: data.source={source!r} is not a folder; allowed: a folder, or the "
            "id of a dataset on the hub (OWNER/NAME)"
        )
    files = {split: find_split(folder, name) for split, name in data.files}
    for split, name in data.files:
        if not files[split]:
            raise DataError(
                f"{folder}: no files for tasks.{task.config}.splits.{split}={name}; looked for "
                f"{', '.join(_patterns(name))}; the folder has {_describe(folder)}"
            )
    distinct_files = dict.fromkeys(file for paths in files.values() for file in paths)
    digests = f"{_entry_identity(task, data)} {hub.digest(distinct_files)}"
    identity = hashlib.sha256(digests.encode()).hexdigest()[:32]
    return files, Content(f"sha256:{identity}", address)


def is_dataset_id(source: str) -> bool:
    """Return whether `data.source` of a user's task is the id of a dataset, and not a folder."""
    return bool(HUB_ID.fullmatch(source)) and not Path(source).exists()


def fetch_own_data(
    source: str, data: OwnData, revision: str | None = None, *, download: bool = True
) -> Path:
    """Return the snapshot folder of a dataset on the hub with the files of a user's task.

    Raises:
        stablebert.hub.HubError: As `stablebert.hub.fetch`.
    """
    return hub.fetch(
        source,
        kind="dataset",
        revision=revision,
        patterns=[pattern for _, name in data.files for pattern in _patterns(name)],
        list_files=partial(_list_files, data=data),
        download_missing=download,
    )


def find_split(folder: Path, name: str) -> tuple[Path, ...]:
    """Return the files that a value of `splits` means; empty if there are none, or not all."""
    for pattern in _patterns(name):
        files = [file for file in folder.glob(pattern) if file.is_file()]
        if pattern.endswith("/*.arrow"):
            files = [file for file in files if not file.name.startswith("cache-")]
        shards = hub.complete_shards(files)
        if shards and all(file.suffix.lower() in READERS for file in shards):
            return shards
    return ()


def _entry_identity(task: Task, data: OwnData) -> str:
    """Return what an entry says about the rows and their use, in one text."""
    metrics = [metric.identity for metric in task.metrics]
    facts = [task.columns, task.label_column, task.labels, metrics, data.files, task.samples]
    facts += [task.holds_out and task.held_out, task.test_split, task.score_range]
    return json.dumps(facts)


def _patterns(name: str) -> list[str]:
    """Return the patterns of files that a value of `splits` may mean, the first that fits."""
    if any(character in name for character in "*?["):
        return [name]
    if Path(name).suffix.lower() in READERS:
        return [name]
    single_files = [f"{name}{suffix}" for suffix in READERS if suffix != ".arrow"]
    return [*single_files, f"{name}-*.parquet", f"data/{name}-*.parquet", f"{name}/*.arrow"]


def _list_files(folder: Path, data: OwnData) -> Sequence[Path]:
    """Return all files of a snapshot; none if those of a split are missing."""
    parts = [find_split(folder, name) for _, name in data.files]
    return [file for part in parts for file in part] if all(parts) else []


def _describe(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "") or "nothing"
