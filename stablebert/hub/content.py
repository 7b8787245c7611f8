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
        addresses: `<hub id>@<commit>` for each commit that is known to have these files, first the
            one that is used. They are information; older records have one of them as identity.
    """

    identity: str
    addresses: tuple[str, ...] = ()

    @property
    def address(self) -> str | None:
        """The hub's commit that is used; None for a folder and for the demo."""
        return self.addresses[0] if self.addresses else None


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

    def blobs(folder: Path) -> list[tuple[Path, Path]]:
        """Return names and blobs; commits with the same blobs have the same content."""
        return [(file.relative_to(folder), file.resolve()) for file in list_files(folder)]

    used_blobs = blobs(snapshot)
    folders = sorted(snapshot.parent.iterdir(), key=lambda folder: folder != snapshot)
    commits = [folder.name for folder in folders if blobs(folder) == used_blobs]
    identity = f"sha256:{digest(list_files(snapshot))}"
    return Content(identity, tuple(f"{name}@{commit}" for commit in commits))
