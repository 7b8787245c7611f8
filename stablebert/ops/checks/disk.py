"""Folders that runs write to."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from stablebert.config.schema import RunConfig
from stablebert.filesystem import expand_path
from stablebert.ops.finding import Finding
from stablebert.runs.locate import cache_folder

ENOUGH_BYTES = 5e9
"""Free bytes that suffice for BERT-large, tokenized data and the records of a table."""
TRIAL_BYTES = 2**20
"""Size of the file written as a trial, more than a run writes."""


def check_disk(cfg: RunConfig) -> Iterator[Finding]:
    """Write to the folders of records and of prepared data as runs do."""
    cache = cache_folder(cfg.paths.cache)
    for key, folder in (
        ("paths.runs", expand_path("paths.runs", cfg.paths.runs)),
        ("paths.cache", cache),
    ):
        text = f"disk: {key}={folder}"
        if problem := write_problem(folder):
            advice = f"set {key} to a folder of yours with some room"
            yield Finding("problem", f"{text}: {problem}: {advice}")
            continue
        free = free_bytes(folder)
        text += f": {free / 1e9:.0f} GB free, can be written"
        if free < ENOUGH_BYTES:
            yield Finding("note", f"{text}; not enough for a table of BERT-large")
        elif not has_hard_links(folder):
            text += "; no hard links: if two processes finish the same run at the same moment,"
            yield Finding("note", f"{text} the later record replaces the earlier one")
        else:
            yield Finding("ok", text)


def write_problem(folder: Path) -> str:
    """Return why no file can be written and renamed in a folder; empty if it can.

    A folder that does not exist yet is represented by its nearest existing parent.
    """
    parent = _existing(folder)
    trial = parent / f".stablebert-{uuid4().hex}"
    renamed_trial = trial.with_suffix(".name")
    try:
        try:
            trial.write_bytes(bytes(TRIAL_BYTES))
            trial.replace(renamed_trial)
        finally:
            for file in (trial, renamed_trial):
                file.unlink(missing_ok=True)
    except OSError as error:
        return f"{parent}: {error.strerror or error}"
    return ""


def has_hard_links(folder: Path) -> bool:
    """Return whether files in a writable folder can be linked."""
    trial = _existing(folder) / f".stablebert-{uuid4().hex}"
    link = trial.with_suffix(".link")
    try:
        trial.touch()
        os.link(trial, link)
    except OSError:
        return False
    finally:
        for file in (trial, link):
            file.unlink(missing_ok=True)
    return True


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder: Path) -> Path:
    """Return the folder or its nearest existing parent."""
    whole = folder.absolute()
    # os.path.exists is False for what is not permitted; Path.exists may raise.
    return next(path for path in (whole, *whole.parents) if os.path.exists(path))
