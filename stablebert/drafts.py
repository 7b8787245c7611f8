"""Drafts: files and folders in progress, which a later process deletes if their writer has died.

A draft of `NAME` is the file `NAME.<random>.part`, which its writer locks; the lock ends with the
process, however that ends. A folder in progress, `NAME.<random>.folder`, has such a file next to
it. On a file system without locks, drafts of dead processes stay.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO
from uuid import uuid4

_DRAFT = re.compile(r".+\.[0-9a-f]{32}\.part")


def open_draft(path: Path) -> tuple[Path, TextIO]:
    """Create a text file next to `path`, locked until it is closed.

    Drafts in the same folder whose writers have died are deleted.

    Rename it before closing it: a closed draft is a leftover.

    Returns:
        Path of the draft, and the open file.
    """
    remove_leftovers(path.parent)
    while True:
        draft = path.with_name(f"{path.name}.{uuid4().hex}.part")
        # names that are not UTF-8 are written with escapes
        file = draft.open("x", encoding="utf-8", errors="backslashreplace")
        if try_lock(file.fileno()) is not False and is_at(file.fileno(), draft):
            return draft, file
        file.close()  # another process deleted it as a leftover before it was locked


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Create a folder next to `path`, and delete it with its content when the block ends.

    The block renames out of it what is complete, and into it what is to be deleted.
    """
    draft, file = open_draft(path)
    with file:
        try:
            folder = _folder_of(draft)
            folder.mkdir()
            yield folder
        finally:
            _delete(draft)


def remove_leftovers(folder: Path) -> None:
    """Delete the drafts in a folder whose writers have died."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        drafts = [folder / entry.name for entry in entries if _DRAFT.fullmatch(entry.name)]
        for draft in drafts:
            with suppress(OSError):
                descriptor = os.open(draft, os.O_RDWR | os.O_NONBLOCK)
                try:
                    if try_lock(descriptor):
                        _delete(draft)
                finally:
                    os.close(descriptor)


def try_lock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Lock an open file; return False if it is locked, None if its file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _folder_of(draft: Path) -> Path:
    return draft.with_suffix(".folder")


def _delete(draft: Path) -> None:
    """Delete a draft; a folder that cannot be deleted now keeps its file, for a later try."""
    folder = _folder_of(draft)
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        draft.unlink(missing_ok=True)
