"""Everything that a sweep needs from the hub, fetched where there is a network."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote

from stablebert.config.files import model_folder
from stablebert.config.identity import prerequisite
from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.glue.sources import resolve
from stablebert.hub import GLUE, fetch_glue, fetch_model, model_files
from stablebert.tasks import DEMO, TASKS, is_generated

ELSEWHERE = "/shared/huggingface"
"""What `HF_HOME` is on the other machine, in what is printed."""


@dataclass(frozen=True)
class Item:
    """Data or a model that runs need."""

    what: str
    snapshot: Callable[..., Path] | None = None
    """Fetches it from the hub, or finds it cached (`download=False`); None: it is local."""
    check: Callable[[], object] = lambda: None
    """Raises ActionableError where what is local cannot be used."""
    within: str = "."
    """Folder of the snapshot that it fills."""
    local: str = ""
    """Why there is nothing to fetch."""


def needed(configs: Iterable[RunConfig]) -> list[Item]:
    """What runs need, and what they start from needs, each once."""
    items: dict[str, Item] = {}
    todo = list(configs)
    while todo:
        cfg = todo.pop()
        if before := prerequisite(cfg):
            todo.append(before)
        for item in (_data(cfg), _model(cfg)):
            items.setdefault(item.what, item)
    return [items[what] for what in sorted(items)]


def _data(cfg: RunConfig) -> Item:
    task, source, at = TASKS[cfg.task], cfg.data.source, cfg.data.revision
    if source == "hub":
        snapshot = partial(fetch_glue, task.config, at)
        return Item(f"data {GLUE} {task.config}{_at(at)}", snapshot, within=task.config)
    said = "generated" if is_generated(source) else "a folder"
    return Item(f"data {source} {task.config}", check=partial(resolve, source, task), local=said)


def _model(cfg: RunConfig) -> Item:
    name, at = cfg.model.name, cfg.model.revision
    if folder := model_folder(name):
        said = "in the package" if name == DEMO else "a folder"
        return Item(f"model {name}", check=partial(model_files, folder), local=said)
    return Item(f"model {name}{_at(at)}", partial(fetch_model, name, at))


def _at(revision: str | None) -> str:
    return f" at {revision}" if revision else ""


def prefetch(configs: Iterable[RunConfig], say: Callable[[str], None] = print) -> list[str]:
    """Fetch what runs need and say what to copy to a machine without a network.

    Args:
        configs: the runs.
        say: takes a line of progress.

    Returns:
        A line for each thing that could not be had.
    """
    items = needed(configs)
    problems: list[str] = []
    had: list[tuple[str, Callable[..., Path], Path]] = []
    for number, item in enumerate(items, 1):
        said = f"[{number}/{len(items)}] {item.what}"
        try:
            if item.snapshot is None:
                item.check()
                say(f"{said}: {item.local}, nothing to fetch")
                continue
            begun, before = time.monotonic(), _cached(item.snapshot)
            snapshot = item.snapshot()
        except Exception as error:  # whatever it is, the others are tried
            problems.append(f"{item.what}: {_reason(error)}")
            say(f"{said}: failed")
            continue
        had.append((item.what, item.snapshot, snapshot))
        size = sum(f.stat().st_size for f in (snapshot / item.within).rglob("*") if f.is_file())
        how = f"{'cached' if snapshot == before else 'fetched'}, {time.monotonic() - begun:.0f} s"
        say(f"{said}: {snapshot.name[:12]}, {_size(size)}, {how}")
    # a branch that moved between two items leaves the first where nobody looks without a network
    for what, find, snapshot in had:
        if (found := _cached(find)) != snapshot:
            why = f"commit {found.name[:12]} takes its place" if found else "it is not complete"
            problems.append(f"{what}: without a network {why}; run this again")
    if had:
        say("")
        for line in _advice(list(dict.fromkeys(folder.parents[1] for *_, folder in had))):
            say(line)
    elif not problems:
        say("nothing to fetch: data and model are folders, or in the package")
    return problems


def _cached(snapshot: Callable[..., Path]) -> Path | None:
    """What is found without a network."""
    try:
        return snapshot(download=False)
    except ActionableError:
        return None


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ActionableError) else f"{type(error).__name__}: {error}"


def _advice(folders: Sequence[Path]) -> list[str]:
    """How to take repositories of the hub's cache elsewhere."""
    hub, names = folders[0].parent, [folder.name for folder in folders]
    sizes = [_stored(folder) for folder in folders]
    there = f"{ELSEWHERE}/hub"
    return [
        f"To copy, {_size(sum(sizes))} in {hub}:",
        *(f"  {name}: {_size(size)}" for name, size in zip(names, sizes, strict=True)),
        f"for example, with HF_HOME={ELSEWHERE} there:",
        f"  ssh HOST mkdir -p {there}",
        f"  cd {quote(str(hub))} && rsync -a --exclude='*.incomplete' {' '.join(names)} "
        f"HOST:{there}/",
        "Then all of this works on machines without a network, with:",
        f"  export HF_HOME={ELSEWHERE} HF_HUB_OFFLINE=1",
    ]


def _stored(repo: Path) -> int:
    """Bytes of a repository's folder; its snapshots are links to contents that count once."""
    files = (f for f in repo.rglob("*") if f.suffix != ".incomplete" and not f.is_symlink())
    return sum(f.stat().st_size for f in files if f.is_file())


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
