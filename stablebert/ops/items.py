"""The data and models that runs need: what to fetch from the hub, and what must exist here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from stablebert.config.files import model_folder
from stablebert.config.identity import prerequisite
from stablebert.config.schema import RunConfig
from stablebert.glue.own_files import fetch_own_data, is_dataset_id
from stablebert.glue.sources import resolve
from stablebert.hub import GLUE, fetch_glue, fetch_model, find_commit, model_files
from stablebert.tasks import DEMO, TASKS, Task, is_generated

Part = Literal["data", "model"]


class Fetch(Protocol):
    """A function that returns the local snapshot folder of an item."""

    def __call__(self, *, download: bool = True) -> Path:
        """Fetch the item where necessary; with `download=False` accept only what is cached.

        Raises:
            HubError: If the item is unavailable.
        """


@dataclass(frozen=True)
class HubItem:
    """A dataset configuration or a model on the hub.

    Attributes:
        part: `data` or `model`.
        name: Name of the item in messages.
        fetch: Returns the snapshot folder.
        find_commit: Asks the hub for the commit and fetches nothing.
        subfolder: Folder inside the snapshot that the item fills.
    """

    part: Part
    name: str
    fetch: Fetch
    find_commit: Callable[[], str]
    subfolder: str = "."


@dataclass(frozen=True)
class LocalItem:
    """Data or a model that is not on the hub.

    Attributes:
        part: `data` or `model`.
        name: Name of the item in messages.
        check: Raises ActionableError if the item cannot be used.
        origin: Reason why there is nothing to fetch.
    """

    part: Part
    name: str
    check: Callable[[], object]
    origin: str


Item = HubItem | LocalItem


def required_items(configs: Iterable[RunConfig]) -> list[Item]:
    """Return the data and models of runs and of the runs that they start from, each once."""
    items: dict[tuple[str, str], Item] = {}
    pending = list(configs)
    while pending:
        cfg = pending.pop()
        if start := prerequisite(cfg):
            pending.append(start)
        for item in (_data_item(cfg), _model_item(cfg)):
            items.setdefault((item.part, item.name), item)
    return [items[key] for key in sorted(items)]


def _data_item(cfg: RunConfig) -> Item:
    task, revision = TASKS[cfg.task], cfg.data.revision
    source = task.place(cfg.data.source)
    if task.own and is_dataset_id(source):
        return HubItem(
            part="data",
            name=f"{source}{_at(revision)}",
            fetch=partial(fetch_own_data, source, task.own, revision),
            find_commit=partial(find_commit, source, kind="dataset", revision=revision),
        )
    if source == "hub":
        return HubItem(
            part="data",
            name=f"{GLUE} {task.config}{_at(revision)}",
            fetch=partial(fetch_glue, task.config, revision),
            find_commit=partial(find_commit, GLUE, kind="dataset", revision=revision),
            subfolder=task.config,
        )
    origin = "generated" if is_generated(source) else "a folder"
    return LocalItem("data", f"{source} {task.config}", partial(_read_rows, source, task), origin)


def _read_rows(source: str, task: Task) -> None:
    """Check every row of a task, unless it is generated."""
    data = resolve(source, task)
    for split in data.files:
        data.read(split)


def _model_item(cfg: RunConfig) -> Item:
    name, revision = cfg.model.name, cfg.model.revision
    if folder := model_folder(name):
        origin = "in the package" if name == DEMO else "a folder"
        return LocalItem("model", name, partial(model_files, folder), origin)
    return HubItem(
        part="model",
        name=f"{name}{_at(revision)}",
        fetch=partial(fetch_model, name, revision),
        find_commit=partial(find_commit, name, revision=revision),
    )


def _at(revision: str | None) -> str:
    return f" at {revision}" if revision else ""
