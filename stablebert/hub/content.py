"""Identity of the files that determine numbers, wherever they are."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stablebert.hub.integrity import sha256


@dataclass(frozen=True)
class Content:
    """The content of a model or of a task's data.

    Attributes:
        identity: `sha256:HEX` over the names and bytes of the files.
        address: `<hub id>@<commit>` of the hub's snapshot, for information; None for a folder and
            for the demo.
    """

    identity: str
    address: str | None = None


def digest(files: Iterable[Path]) -> str:
    """Return 32 hex digits that depend on the names and contents of files."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name} {sha256(file)}\n".encode())
    return whole.hexdigest()[:32]


def identify_snapshot(
    name: str, snapshot: Path, list_files: Callable[[Path], Sequence[Path]]
) -> Content:
    """Identify the content of a cached snapshot.

    Args:
        name: Repository id.
        snapshot: Folder of the snapshot, named after its commit.
        list_files: Returns the files of a snapshot that determine numbers.
    """
    return Content(f"sha256:{digest(list_files(snapshot))}", f"{name}@{snapshot.name}")
