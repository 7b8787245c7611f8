"""Everything that a sweep needs from the hub, fetched where there is a network."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stablebert.config import model_folder, prerequisite
from stablebert.errors import ActionableError
from stablebert.glue.tasks import TASKS
from stablebert.hub import GLUE, fetch_glue, fetch_model
from stablebert.schema import RunConfig


@dataclass(frozen=True)
class Item:
    """A snapshot that runs need."""

    what: str
    fetch: Callable[[], Path]
    within: str = "."
    """Folder of the snapshot that it fills."""


def needed(configs: Iterable[RunConfig]) -> list[Item]:
    """What runs need from the hub, and what they start from needs, each once."""
    items: dict[str, Item] = {}
    todo = list(configs)
    while todo:
        cfg = todo.pop()
        if before := prerequisite(cfg):
            todo.append(before)
        name, at = cfg.model.name, cfg.model.revision
        if model_folder(name) is None:
            what = f"model {name}" + (f" at {at}" if at else "")
            items[what] = Item(what, partial(fetch_model, name, at))
        config, at = TASKS[cfg.task].config, cfg.data.revision
        if cfg.data.source == "hub":
            what = f"data {GLUE} {config}" + (f" at {at}" if at else "")
            items[what] = Item(what, partial(fetch_glue, config, at), config)
    return [items[what] for what in sorted(items)]


def prefetch(configs: Iterable[RunConfig], say: Callable[[str], None] = print) -> list[str]:
    """Fetch what runs need and say what to copy to a machine without a network.

    Args:
        configs: the runs.
        say: takes a line of progress.

    Returns:
        A line for each thing that could not be had.
    """
    items = needed(configs)
    if not items:
        say("nothing to fetch: data and model are folders, or in the package")
        return []
    problems, folders, total = [], dict[Path, None](), 0
    for number, item in enumerate(items, 1):
        begun = time.monotonic()
        try:
            snapshot = item.fetch()
        except ActionableError as error:
            problems.append(f"{item.what}: {error}")
            say(f"[{number}/{len(items)}] {item.what}: failed")
            continue
        size = sum(f.stat().st_size for f in (snapshot / item.within).rglob("*") if f.is_file())
        total += size
        folders[snapshot.parents[1]] = None
        spent = time.monotonic() - begun
        commit = snapshot.name[:12]
        say(f"[{number}/{len(items)}] {item.what}: {commit}, {_size(size)}, {spent:.0f} s")
    if folders:
        say("")
        for line in _advice(list(folders), total):
            say(line)
    return problems


def _advice(folders: list[Path], total: int) -> list[str]:
    """How to take repositories of the hub's cache elsewhere."""
    hub = folders[0].parent
    names = " ".join(folder.name for folder in folders)
    return [
        f"To copy, {_size(total)} in {hub}:",
        *(f"  {folder.name}" for folder in folders),
        "for example, with HF_HOME=/shared/huggingface there:",
        f"  cd {hub} && rsync -a --mkpath {names} HOST:/shared/huggingface/hub/",
        "Then, on the machines without a network:",
        "  export HF_HOME=/shared/huggingface HF_HUB_OFFLINE=1",
    ]


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
