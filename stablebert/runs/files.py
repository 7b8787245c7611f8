"""The files of a run: their names, their folder, and how they are written.

A file is written whole or not at all, and the first writer of a record wins.
"""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from stablebert.filesystem import naming_file
from stablebert.runs.seeds import Seeds

RESULT, CRASH, HISTORY, CONFIG = "result.json", "crash.json", "history.jsonl", "config.yaml"
ENCODER = "encoder"
"""Folder of the fine-tuned encoder, which a run leaves if other runs start from it."""


def run_folder(
    root: Path,
    *,
    scale: str,
    task: str,
    method: str,
    config_id: str,
    seeds: Seeds,
) -> Path:
    """Return the folder of a run: `<root>/<scale>/<task>/<method>/<config_id>/seed<k>`.

    The last part is `init<i>-data<j>` if the two seeds differ (paper, Appendix B).
    """
    return root / scale / task / method / config_id / seeds.folder


def write_text(path: Path, text: str, *, replace: bool = True) -> bool:
    """Write a file whole or not at all.

    Args:
        path: File to write.
        text: Its content.
        replace: Whether to replace an existing file.

    Returns:
        False if the file exists and must not be replaced.
    """
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        # names that are not UTF-8 are written with escapes
        with naming_file(path), part.open("x", encoding="utf-8", errors="backslashreplace") as file:
            lock_leftover(file)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            return _publish(part, path, replace=replace)
    finally:
        part.unlink(missing_ok=True)


def _publish(part: Path, path: Path, *, replace: bool) -> bool:
    """Give a complete file its name; return False if it exists and must not be replaced."""
    if replace:
        part.replace(path)
        return True
    try:
        os.link(part, path)  # fails if the file exists: the first writer wins
    except FileExistsError:
        return False
    except OSError:  # the file system has no hard links: nearly as safe
        if path.exists():
            return False
        part.replace(path)
    return True


def lock_leftover(file: IO[str]) -> None:
    """Mark an incomplete file as in use, until it is closed or its process ends."""
    with suppress(OSError):  # the file system has no locks
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_leftovers(folder: Path) -> None:
    """Delete incomplete files and expired claims, unless a living process still writes to them."""
    for path in folder.iterdir():
        with suppress(OSError):
            if path.suffix == ".part":
                descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(descriptor)
            elif path.suffix == ".expired" and path.is_dir():
                path.rmdir()
            elif path.suffix == ".expired":
                path.unlink()


def write_json(path: Path, data: dict[str, Any], *, replace: bool = True) -> bool:
    """Write JSON as `write_text` does.

    Raises:
        ValueError: If the data hold a NaN or an infinity, which JSON cannot represent.
    """
    return write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n", replace=replace)
