"""The files of a run: their names, their folder, and how they are written.

A file is written whole or not at all, and the first writer of a record wins.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from stablebert.drafts import open_draft
from stablebert.filesystem import naming_file
from stablebert.runs.seeds import Seeds

RESULT, CRASH, HISTORY, CONFIG = "result.json", "crash.json", "history.jsonl", "config.yaml"
PREDICTIONS = "predictions.parquet"
WEIGHTS = "weights.safetensors"
"""Best weights of the whole model, which a run leaves on request (`trainer.keep_weights`)."""
CHECKPOINT = "checkpoint.ckpt"
"""Lightning checkpoint of a run in progress, on request (`trainer.checkpoint_minutes`)."""
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
    cell = cell_folder(root, scale=scale, task=task, method=method, config_id=config_id)
    return cell / seeds.folder


def cell_folder(root: Path, *, scale: str, task: str, method: str, config_id: str) -> Path:
    """Return the folder of the runs of a configuration."""
    return root / scale / task / method / config_id


def write_text(path: Path, text: str, *, replace: bool = True) -> bool:
    """Write a text as `write_bytes` does; names that are not UTF-8 are written with escapes."""
    return write_bytes(path, text.encode("utf-8", "backslashreplace"), replace=replace)


def write_bytes(path: Path, content: bytes, *, replace: bool = True) -> bool:
    """Write a file whole or not at all; see `write_file`."""
    return write_file(path, lambda file: file.write(content), replace=replace)


def write_file(path: Path, write: Callable[[BinaryIO], object], *, replace: bool = True) -> bool:
    """Write a file whole or not at all.

    Args:
        path: File to write.
        write: Function that writes the content.
        replace: Whether to replace an existing file.

    Returns:
        False if the file exists and must not be replaced.
    """
    draft, file = open_draft(path)
    try:
        with naming_file(path), file:
            write(file.buffer)
            file.flush()
            os.fsync(file.fileno())
            if replace:
                draft.replace(path)
                return True
            return publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def publish(file: Path, path: Path) -> bool:
    """Give a complete file a second name; return False if another file has that name."""
    try:
        os.link(file, path)  # fails if the file exists: the first writer wins
    except FileExistsError:
        return False
    except OSError:  # the file system has no hard links: nearly as safe
        if path.exists():
            return False
        file.replace(path)
    return True


def write_json(path: Path, data: dict[str, Any], *, replace: bool = True) -> bool:
    """Write JSON as `write_text` does.

    Raises:
        ValueError: If the data hold a NaN or an infinity, which JSON cannot represent.
    """
    return write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n", replace=replace)
