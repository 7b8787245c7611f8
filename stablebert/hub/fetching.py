"""Complete snapshots of models and of GLUE: from the cache where possible, else from the hub."""

import functools
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from stablebert.errors import mask_credentials
from stablebert.hub.client import Kind, Repository, ask_commit, download, read_cache
from stablebert.hub.errors import FinalError, HubError, UnreachableError, first_line
from stablebert.hub.folders import (
    CONFIG,
    PICKLES,
    SAFETENSORS,
    TOKENIZER,
    find_glue_files,
    find_model_files,
)
from stablebert.hub.integrity import check_snapshot
from stablebert.tasks import TASKS

log = logging.getLogger(__name__)

GLUE = "nyu-mll/glue"


def fetch_model(name: str, revision: str | None = None, *, download: bool = True) -> Path:
    """Return the snapshot folder of a model with its tokenizer and weights.

    Safetensors are preferred; `pytorch_model.bin` is fetched if there are none.

    Raises:
        HubError: As `fetch`.
    """
    return fetch(
        name,
        revision=revision,
        patterns=[*CONFIG, *TOKENIZER, *SAFETENSORS],
        more_patterns=PICKLES,
        list_files=find_model_files,
        download_missing=download,
    )


def cached_config(name: str, revision: str | None = None) -> Path | None:
    """Return the `config.json` of a model in the hub's cache, or None; uses no network."""
    import huggingface_hub as hf

    try:
        path = hf.try_to_load_from_cache(name, "config.json", revision=revision)
    except ValueError:  # not the name of a repository
        return None
    return Path(path) if isinstance(path, str) else None


def fetch_glue(config: str, revision: str | None = None, *, download: bool = True) -> Path:
    """Return the snapshot folder of `nyu-mll/glue` with one configuration's train and dev files.

    Raises:
        HubError: As `fetch`.
    """
    splits = ("train", TASKS[config].dev_split)
    return fetch(
        GLUE,
        kind="dataset",
        revision=revision,
        patterns=[f"{config}/{split}-*.parquet" for split in splits],
        list_files=functools.partial(find_glue_files, config=config),
        download_missing=download,
    )


def fetch(
    name: str,
    *,
    kind: Kind = "model",
    revision: str | None = None,
    patterns: Sequence[str],
    list_files: Callable[[Path], Sequence[Path]],
    more_patterns: Sequence[str] = (),
    download_missing: bool = True,
) -> Path:
    """Return the snapshot folder of a repository at a revision, downloaded where necessary.

    Args:
        name: Repository id, such as `nyu-mll/glue`.
        kind: `model` or `dataset`.
        revision: Commit (40 hex digits), tag or branch; None for the default branch.
        patterns: Glob patterns of the files to fetch.
        list_files: Returns the required files of a snapshot folder; none if one is missing.
        more_patterns: Patterns to fetch as well if the first ones do not complete the folder.
        download_missing: False accepts only what is cached and uses no network.

    Returns:
        The folder; its name is the commit.

    Raises:
        HubError: If a file is damaged, or the cache does not contain that revision completely and
            the hub does not answer, something else answers for it, or the hub refuses.
    """
    repository = Repository(name, kind, revision)

    def is_usable(snapshot: Path) -> bool:
        """Return whether no file is missing, after comparing them with the hub's hashes."""
        files = list_files(snapshot)
        check_snapshot(snapshot, files)
        return bool(files)

    # Read now: a download that fails may already have moved the branch in the cache.
    cached_folder = read_cache(repository, patterns)
    is_pinned = re.fullmatch("[0-9a-f]{40}", revision or "")
    if (is_pinned or not download_missing) and cached_folder and is_usable(cached_folder):
        return cached_folder
    if not download_missing:
        raise HubError(f"{repository} is not complete in the local cache")
    try:
        for more in [(), more_patterns] if more_patterns else [()]:
            folder = download(repository, [*patterns, *more])
            if is_usable(folder):
                return folder
    except (UnreachableError, FinalError) as e:
        if cached_folder and is_usable(cached_folder):
            _warn_once(f"{repository}: using the cached commit {cached_folder.name}, because {e}")
            return cached_folder
        if isinstance(e, FinalError):
            raise HubError(f"{repository}: {e}") from e
        problem = f"{repository} is not complete in the local cache, and {e}."
        raise HubError(f"{problem} {_advice(kind)}") from e
    raise HubError(
        f"{repository} lacks files that are needed; expected {[*patterns, *more_patterns]}"
    )


def find_commit(name: str, *, kind: Kind = "model", revision: str | None = None) -> str:
    """Return the hub's commit of a revision, in one request; fetches nothing.

    Raises:
        HubError: If the hub does not answer, or has no such repository or revision.
    """
    repository = Repository(name, kind, revision)
    try:
        return ask_commit(repository)
    except (FinalError, UnreachableError) as e:
        raise HubError(f"{repository}: {e}") from e
    except Exception as e:
        raise HubError(f"{repository}: {first_line(e)}") from e


def _advice(kind: Kind) -> str:
    from huggingface_hub import constants

    key = "model.name" if kind == "model" else "data.source"
    return (
        f"Set {key}=FOLDER to a local copy, or HF_ENDPOINT to a mirror that answers "
        f"(now {constants.ENDPOINT}), or copy HF_HOME (now {constants.HF_HOME}) from a machine "
        "with a network that fetched the same revision"
        + ("; or unset HF_HUB_OFFLINE." if constants.HF_HUB_OFFLINE else ".")
    )


@functools.cache
def _warn_once(message: str) -> None:
    log.warning(mask_credentials(message))
