"""Hashes of files, and whether a cached snapshot has the content that the hub named."""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from stablebert.hub.errors import DamagedFileError
from stablebert.hub.folders import describe_replacement


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file, computed once per process and version of the file."""
    stat = file.stat()
    return _sha256(file.resolve(), stat.st_ino, stat.st_size, stat.st_mtime_ns)


@cache
def _sha256(file: Path, *version: int) -> str:
    return compute_sha256(file)


def compute_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, read again by every call."""
    with file.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def check_snapshot(snapshot: Path, files: Iterable[Path]) -> None:
    """Compare files of a cached snapshot with the hashes that the hub gave for them.

    The cache names its blobs by these hashes: SHA-256 for files in Git LFS, which weights and data
    are, and Git's own hash for other files. Files without a known hash are not checked.

    Raises:
        DamagedFileError: If a file was damaged, in the cache or during its download.
    """
    for file in files:
        expected = _expected_hash(snapshot, file)
        if expected and expected != (sha256(file) if len(expected) == 64 else _git_hash(file)):
            raise DamagedFileError(
                f"{file}: its content is not that of commit {snapshot.name} (hash {expected}); "
                f"{describe_replacement(file)}"
            )


def _expected_hash(snapshot: Path, file: Path) -> str | None:
    """Return the hub's hash of a file, from the name of its blob or the listing of the commit."""
    if file.is_symlink():
        # One step only: blobs may be links to files with names of another kind.
        name = Path(os.readlink(file)).name
    else:
        listing = snapshot.parents[1] / "trees" / f"{snapshot.name}.json"
        try:
            entry = json.loads(listing.read_bytes())["files"][str(file.relative_to(snapshot))]
            name = str(entry.get("lfs_sha256") or entry.get("blob_id"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
    return name if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", name) else None


def _git_hash(file: Path) -> str:
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()
