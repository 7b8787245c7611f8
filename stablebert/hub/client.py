"""The hub's client with limits: one snapshot from the cache, or downloaded within bounded time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stablebert.hub.errors import (
    FinalError,
    HubError,
    UnreachableError,
    first_line,
    is_unreachable,
    raise_if_final,
)
from stablebert.hub.limits import limit_waiting
from stablebert.timeouts import run_with_timeout

PROBE_SECONDS = 5
WAITS = (0, 1, 2)
"""Seconds before each try."""
SUBFOLDERS = ["*/*"]
"""Files to ignore in models: copies in formats that are not read (onnx/, openvino/, coreml/)."""

Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class Repository:
    """A repository of the hub at a revision.

    Attributes:
        name: Repository id, such as `nyu-mll/glue`.
        kind: `model` or `dataset`.
        revision: Commit (40 hex digits), tag or branch; None for the default branch.

    Raises:
        HubError: If the name is not that of a repository.
    """

    name: str
    kind: Kind
    revision: str | None

    def __post_init__(self) -> None:
        from huggingface_hub import errors, utils

        try:
            utils.validate_repo_id(self.name)  # type: ignore[attr-defined]  # not in an __all__
        except errors.HFValidationError as e:
            raise HubError(f"{self} is neither a folder nor an id: {first_line(e)}") from e

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} at revision {self.revision or 'main'!r}"


def read_cache(repository: Repository, patterns: Sequence[str]) -> Path | None:
    """Return the cached snapshot of exactly this revision, perhaps partial; uses no network."""
    from huggingface_hub import errors

    try:
        return _snapshot(repository, patterns, local_files_only=True)
    except errors.LocalEntryNotFoundError:
        return None


def ask_commit(repository: Repository) -> str:
    """Return the hub's commit of the revision, in one request with a time limit.

    Raises:
        FinalError: If another try cannot help.
        UnreachableError: If the hub does not answer, or something else answers.
        Exception: Whatever else the client raises.
    """
    import huggingface_hub as hf
    from huggingface_hub import constants

    def ask() -> str:
        info = hf.HfApi().repo_info(
            repository.name,
            repo_type=repository.kind,
            revision=repository.revision or "main",
            timeout=PROBE_SECONDS,
        )
        return str(info.sha)

    try:
        # The client's limit holds for each read, and not for the resolution of the hub's name.
        return run_with_timeout(2 * PROBE_SECONDS, ask)
    except (ValueError, LookupError, TypeError) as e:
        problem = f"answers without a commit, as a login page would ({first_line(e)})"
        raise UnreachableError(f"{constants.ENDPOINT} {problem}") from e
    except Exception as e:
        if is_unreachable(e):
            message = f"{constants.ENDPOINT} does not answer ({first_line(e)})"
            raise UnreachableError(message) from e
        raise_if_final(e)
        raise


def download(repository: Repository, patterns: Sequence[str]) -> Path:
    """Return the snapshot of the commit that the hub names, in up to three tries.

    Raises:
        FinalError: If another try cannot help.
        UnreachableError: If the hub does not answer, something else answers, or every try fails.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise UnreachableError("HF_HUB_OFFLINE is set")
    problem = ""
    for wait in WAITS:
        time.sleep(wait)
        limit_waiting()
        try:
            # The client's own first request has no time limit, and it retries others for minutes.
            commit = ask_commit(repository)
        except (FinalError, UnreachableError):
            raise
        except Exception as e:
            problem = first_line(e)
            continue
        try:
            folder = _snapshot(repository, patterns)
        except UnreachableError as e:
            raise UnreachableError(f"{constants.ENDPOINT} stalled ({e})") from e
        except Exception as e:
            raise_if_final(e)
            problem = first_line(e)
            continue
        # After an error of the hub, the client silently returns the last known commit of a branch.
        if folder.name == commit:
            return folder
        problem = f"it fell back on commit {folder.name}, but the hub has {commit}"
    raise UnreachableError(f"{constants.ENDPOINT} failed {len(WAITS)} times ({problem})")


def _snapshot(
    repository: Repository, patterns: Sequence[str], *, local_files_only: bool = False
) -> Path:
    import huggingface_hub as hf

    folder = hf.snapshot_download(
        repository.name,
        repo_type=repository.kind,
        revision=repository.revision,
        allow_patterns=list(patterns),
        ignore_patterns=SUBFOLDERS if repository.kind == "model" else None,
        local_files_only=local_files_only,
    )
    return Path(folder)
