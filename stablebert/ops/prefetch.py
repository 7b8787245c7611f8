"""Download of everything that a sweep needs, on a machine with a network."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from shlex import quote

from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError, mask_credentials
from stablebert.ops.items import HubItem, LocalItem, required_items

OTHER_HOME = "/shared/huggingface"
"""Example of `HF_HOME` on the other machine, in the printed commands."""


def fetch_required_items(
    configs: Iterable[RunConfig], say: Callable[[str], None] = print
) -> list[str]:
    """Fetch what runs need, and print how to copy it to a machine without a network.

    Args:
        configs: The configurations of the runs.
        say: Receives each line of the report.

    Returns:
        One line for each item that is unavailable.
    """
    items = required_items(configs)
    problems: list[str] = []
    snapshots: list[tuple[HubItem, Path]] = []
    for number, item in enumerate(items, 1):
        name = f"{item.part} {item.name}"
        try:
            if isinstance(item, LocalItem):
                item.check()
                outcome = f"{item.origin}, nothing to fetch"
            else:
                snapshot, outcome = _fetch(item)
                snapshots.append((item, snapshot))
        except Exception as error:  # an unexpected error must not stop the other items
            problems.append(f"{name}: {_describe(error)}")
            outcome = "failed"
        say(f"[{number}/{len(items)}] {name}: {outcome}")
    problems += _changed_snapshots(snapshots)
    if snapshots:
        say("")
        repositories = dict.fromkeys(snapshot.parents[1] for _, snapshot in snapshots)
        for line in _copy_commands(list(repositories)):
            say(line)
    elif not problems:
        say("nothing to fetch: data and models are folders, generated or in the package")
    return problems


def _fetch(item: HubItem) -> tuple[Path, str]:
    """Fetch an item; return its snapshot folder and a description of it."""
    start, cached_snapshot = time.monotonic(), _cached_snapshot(item)
    snapshot = item.fetch()
    origin = "cached" if snapshot == cached_snapshot else "fetched"
    outcome = f"{origin}, {time.monotonic() - start:.0f} s"
    files = (snapshot / item.subfolder).rglob("*")
    size = sum(file.stat().st_size for file in files if file.is_file())
    return snapshot, f"{snapshot.name[:12]}, {format_size(size)}, {outcome}"


def _changed_snapshots(snapshots: Sequence[tuple[HubItem, Path]]) -> list[str]:
    """Return a line for each item that the cache no longer resolves to its snapshot.

    A branch that moved between two items leaves the first in a commit that nobody looks up offline.
    """
    problems = []
    for item, snapshot in snapshots:
        if (current := _cached_snapshot(item)) != snapshot:
            reason = f"commit {current.name[:12]} replaces it" if current else "it is not complete"
            problems.append(f"{item.part} {item.name}: without a network {reason}; run this again")
    return problems


def _cached_snapshot(item: HubItem) -> Path | None:
    """Return the snapshot folder that is found without a network."""
    try:
        return item.fetch(download=False)
    except ActionableError:
        return None


def _describe(error: Exception) -> str:
    text = str(error) if isinstance(error, ActionableError) else f"{type(error).__name__}: {error}"
    return mask_credentials(text)


def _copy_commands(repositories: Sequence[Path]) -> list[str]:
    """Return instructions for copying repositories of the hub's cache to another machine."""
    hub, names = repositories[0].parent, [folder.name for folder in repositories]
    sizes = [_stored_bytes(folder) for folder in repositories]
    target = f"{OTHER_HOME}/hub"
    return [
        f"To copy, {format_size(sum(sizes))} in {hub}:",
        *(f"  {name}: {format_size(size)}" for name, size in zip(names, sizes, strict=True)),
        f"for example, with HF_HOME={OTHER_HOME} there:",
        f"  ssh HOST mkdir -p {target}",
        f"  cd {quote(str(hub))} && rsync -a --exclude='*.incomplete' {' '.join(names)} "
        f"HOST:{target}/",
        "Then all of this works on machines without a network, with:",
        f"  export HF_HOME={OTHER_HOME} HF_HUB_OFFLINE=1",
    ]


def _stored_bytes(repository: Path) -> int:
    """Return the bytes of a cached repository; snapshots are links and count nothing."""
    files = (f for f in repository.rglob("*") if f.suffix != ".incomplete" and not f.is_symlink())
    return sum(f.stat().st_size for f in files if f.is_file())


def format_size(size: float) -> str:
    """Return a number of bytes with its unit, in powers of 1000: `3 kB`, `1.34 GB`."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
