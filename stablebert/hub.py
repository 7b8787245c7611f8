"""Repositories of the Hugging Face Hub at a known commit, through the real client.

`fetch` hands back the local snapshot folder, whose name is the commit. What it promises:
a pinned commit that is complete locally asks nothing of the network; a hub that does not answer
costs seconds, not the client's minutes; no other commit ever takes the place of a pinned one; and
a partial snapshot is never accepted, though the client returns one offline without a word.
Everything is then loaded from that folder, because `load_dataset` and `from_pretrained` fall back
on other revisions and wait for dead hubs.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from stablebert.errors import ActionableError
from stablebert.tasks import TASKS

log = logging.getLogger(__name__)

GLUE = "nyu-mll/glue"
PROBE_SECONDS = 5
SILENCE_SECONDS = 10  # longest silence of a hub that answered the probe
WAITS = (0, 1, 2)  # seconds before each try

CONFIG = ["config.json", "generation_config.json"]
TOKENIZER = ["*token*.json", "vocab.*", "merges.txt", "special_tokens_map.json", "*.model"]
SAFETENSORS = ["model*.safetensors", "model.safetensors.index.json"]
PICKLES = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]
SUBFOLDERS = ["*/*"]  # onnx/, openvino/, coreml/: copies in formats that nothing here reads


class HubError(ActionableError):
    """A repository cannot be had; the message names it and says what to do."""


class _UnreachableError(Exception):
    """The hub gave no usable answer; the cache decides."""


def fetch(
    repo: str,
    *,
    kind: str = "model",
    revision: str | None = None,
    patterns: Sequence[str],
    complete: Callable[[Path], bool],
    otherwise: Sequence[str] = (),
    download: bool = True,
) -> Path:
    """Snapshot folder of a repository at a revision, downloaded where necessary.

    Args:
        repo: Repository id, as `nyu-mll/glue`.
        kind: `model` or `dataset`.
        revision: Commit (40 hex digits), tag or branch; None: the default branch.
        patterns: Glob patterns of the files to fetch.
        complete: Whether a snapshot folder holds all that is needed.
        otherwise: Patterns fetched too where the first ones do not make the folder complete.
        download: False: take what is cached and ask nothing of the network.

    Returns:
        The folder; its name is the commit.

    Raises:
        HubError: The repository or revision does not exist, is gated or incomplete; or the hub does
            not answer and the cache does not hold that revision completely.
    """
    what = f"{kind} {repo!r} at revision {revision or 'main'!r}"
    cached = functools.partial(_cached, repo, kind, revision, patterns, complete, what)
    pinned = re.fullmatch("[0-9a-f]{40}", revision or "")
    if (pinned or not download) and (folder := cached()):
        return folder
    if not download:
        raise HubError(f"{what} is not complete in the local cache")
    try:
        for more in [(), otherwise] if otherwise else [()]:
            folder = _download(repo, kind, revision, [*patterns, *more], what)
            if complete(folder):
                return folder
    except _UnreachableError as e:
        if folder := cached():
            _say_once(f"{what}: using the cached commit {folder.name}, because {e}")
            return folder
        raise HubError(
            f"{what} is not complete in the local cache, and {e}. {_advice(kind)}"
        ) from e
    raise HubError(f"{what} lacks files that are needed; looked for {[*patterns, *otherwise]}")


def fetch_model(name: str, revision: str | None = None, *, download: bool = True) -> Path:
    """Snapshot folder of a model with its tokenizer and weights.

    Safetensors weights are preferred; `pytorch_model.bin` is fetched where there are none.

    Raises:
        HubError: As in `fetch`.
    """
    return fetch(
        name,
        revision=revision,
        patterns=[*CONFIG, *TOKENIZER, *SAFETENSORS],
        otherwise=PICKLES,
        complete=_is_model,
        download=download,
    )


def fetch_glue(config: str, revision: str | None = None, *, download: bool = True) -> Path:
    """Snapshot folder of `nyu-mll/glue` with the training and dev files of one configuration.

    Raises:
        HubError: As in `fetch`.
    """
    splits = ("train", TASKS[config].dev_split)
    return fetch(
        GLUE,
        kind="dataset",
        revision=revision,
        patterns=[f"{config}/{split}-*.parquet" for split in splits],
        complete=lambda folder: all(shards(folder / config, split) for split in splits),
        download=download,
    )


def ask(repo: str, *, kind: str = "model", revision: str | None = None) -> str:
    """The hub's commit of a revision: one question, answered within seconds; nothing is fetched.

    Raises:
        HubError: The hub does not answer, or has no such repository or revision.
    """
    import huggingface_hub as hf

    what = f"{kind} {repo!r} at revision {revision or 'main'!r}"
    try:
        info = hf.HfApi().repo_info(
            repo, repo_type=kind, revision=revision or "main", timeout=PROBE_SECONDS
        )
    except Exception as e:
        raise HubError(f"{what}: {_final(e, what)}") from e
    return str(info.sha)


def shards(folder: Path, split: str) -> tuple[Path, ...]:
    """The parquet files of a split in row order; empty unless all are there."""
    files = sorted(folder.glob(f"{split}-*.parquet"))
    counts = [re.search(r"-of-(\d+)", file.name) for file in files]
    if any(count and int(count[1]) != len(files) for count in counts):
        return ()
    return tuple(file for file in files if file.is_file())


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that decide its numbers: configuration, tokenizer, weights.

    Raises:
        HubError: The folder lacks one of them.
    """
    if not _is_model(folder):
        raise HubError(
            f"model.name={folder}: a model folder holds config.json, a tokenizer (tokenizer.json "
            "or vocab.txt) and weights (model.safetensors or pytorch_model.bin); found "
            f"{', '.join(sorted(f.name for f in folder.iterdir())) or 'nothing'}"
        )
    weights = SAFETENSORS if any(folder.glob("model*.safetensors")) else PICKLES
    patterns = ["config.json", *TOKENIZER, *weights]
    return sorted({file for pattern in patterns for file in folder.glob(pattern)})


def digest(files: Iterable[Path]) -> str:
    """Content of files, by name and bytes: 32 hex digits."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as f:
            whole.update(f"{file.name} {hashlib.file_digest(f, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()[:32]


def _is_model(folder: Path) -> bool:
    """Whether a folder holds a configuration, a tokenizer and all of the weights."""
    tokenizers = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
    if not (folder / "config.json").is_file() or not any(any(folder.glob(t)) for t in tokenizers):
        return False
    for weights in ("model.safetensors", "pytorch_model.bin"):
        if (index := folder / f"{weights}.index.json").is_file():
            parts = set(re.findall(r"[\w.-]+-of-[\w.-]+", index.read_text(encoding="utf-8")))
            if parts and all((folder / part).is_file() for part in parts):
                return True
        elif (folder / weights).is_file():
            return True
    return False


def _cached(
    repo: str,
    kind: str,
    revision: str | None,
    patterns: Sequence[str],
    complete: Callable[[Path], bool],
    what: str,
) -> Path | None:
    """The cached snapshot of that very revision if it is complete; asks nothing of the network."""
    from huggingface_hub import errors

    try:
        folder = _snapshot(repo, kind, revision, patterns, local_files_only=True)
    except errors.LocalEntryNotFoundError:
        return None
    except ValueError as e:
        raise HubError(f"{what} is neither a folder nor an id: {_cause(e)}") from e
    return folder if complete(folder) else None


def _snapshot(
    repo: str,
    kind: str,
    revision: str | None,
    patterns: Sequence[str],
    *,
    local_files_only: bool = False,
) -> Path:
    import huggingface_hub as hf

    folder = hf.snapshot_download(
        repo,
        repo_type=kind,
        revision=revision,
        allow_patterns=list(patterns),
        ignore_patterns=SUBFOLDERS if kind == "model" else None,
        local_files_only=local_files_only,
    )
    return Path(folder)


def _download(
    repo: str, kind: str, revision: str | None, patterns: Sequence[str], what: str
) -> Path:
    """The snapshot of what the hub says is the revision's commit, in up to three tries."""
    import huggingface_hub as hf
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise _UnreachableError("HF_HUB_OFFLINE is set")
    for wait in WAITS:
        time.sleep(wait)
        _limit_silence(hf.get_session())
        try:
            # The client's own first call has no time limit, its later ones retry for minutes.
            commit = hf.HfApi().repo_info(
                repo, repo_type=kind, revision=revision or "main", timeout=PROBE_SECONDS
            )
        except Exception as e:
            if _is_unreachable(e):
                problem = f"{constants.ENDPOINT} does not answer ({_cause(e)})"
                raise _UnreachableError(problem) from e
            problem = _final(e, what)
            continue
        try:
            folder = _snapshot(repo, kind, revision, patterns)
        except Exception as e:
            problem = _final(e, what)
            continue
        # After an error of the hub the client silently returns what a branch was last time.
        if folder.name == commit.sha:
            return folder
        problem = f"it fell back on commit {folder.name} where the hub has {commit.sha}"
    raise _UnreachableError(f"{constants.ENDPOINT} failed {len(WAITS)} times ({problem})")


def _final(error: Exception, what: str) -> str:
    """The cause of an error that deserves another try; raises HubError for the others.

    Cut connections are raw httpx errors and no OSError, xet's are RuntimeErrors, a hub in trouble
    is a LocalEntryNotFoundError: what is worth a second try is the rule, not the exception.
    """
    from huggingface_hub import errors

    chain = [error, *filter(None, (error.__cause__, error.__context__))]
    for e in chain:
        if isinstance(e, errors.GatedRepoError):
            raise HubError(f"{what} is gated: accept its terms on the hub, set HF_TOKEN") from error
        if isinstance(e, errors.RepositoryNotFoundError):
            raise HubError(f"{what}: no such repository, or it is private (HF_TOKEN)") from error
        if isinstance(e, errors.RevisionNotFoundError):
            raise HubError(f"{what}: the repository has no such revision") from error
        if isinstance(e, errors.HfHubHTTPError):
            status = e.response.status_code
            if status < 500 and status not in (408, 429):
                raise HubError(f"{what}: {_cause(e)}") from error
    if isinstance(error, ValueError):
        raise HubError(f"{what} is neither a folder nor an id: {_cause(error)}") from error
    # A full disk, a cache that cannot be written.
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
        raise HubError(f"{what}: {_cause(error)}; the cache is set by HF_HOME") from error
    return _cause(error)


def _is_unreachable(error: Exception) -> bool:
    """Return whether no server answered, as opposed to one that failed or hung up."""
    # The client's HTTP library: httpx2 in huggingface_hub 2, httpx in 1, requests in 0.
    library = getattr(importlib.import_module("huggingface_hub.utils"), "httpx", None)
    if library:
        return isinstance(error, library.ConnectError | library.TimeoutException)
    requests, urllib3 = map(importlib.import_module, ("requests", "urllib3"))
    if isinstance(error, requests.ConnectionError):
        return isinstance(error.args[0], urllib3.exceptions.MaxRetryError)
    return isinstance(error, requests.Timeout)


def _limit_silence(session: Any) -> None:
    """Ends requests that get no byte for `SILENCE_SECONDS`; the client allows minutes or no end."""
    from huggingface_hub import constants

    limit = max(SILENCE_SECONDS, constants.HF_HUB_DOWNLOAD_TIMEOUT)
    if not hasattr(session, "event_hooks"):  # requests, in huggingface_hub 0
        session.request = functools.partial(session.request, timeout=limit)
        return

    def limit_silence(request: Any) -> None:
        times = request.extensions.get("timeout") or dict.fromkeys(("connect", "read", "write"))
        request.extensions["timeout"] = {k: min(t or limit, limit) for k, t in times.items()}

    hooks = session.event_hooks
    if not any(hook.__name__ == limit_silence.__name__ for hook in hooks["request"]):
        session.event_hooks = hooks | {"request": [*hooks["request"], limit_silence]}


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"


def _advice(kind: str) -> str:
    from huggingface_hub import constants

    key = "model.name" if kind == "model" else "data.source"
    return (
        f"Set {key}=FOLDER to a local copy, or HF_ENDPOINT to a mirror that answers "
        f"(now {constants.ENDPOINT}), or copy HF_HOME (now {constants.HF_HOME}) from a machine "
        "with a network that fetched the same revision"
        + ("; or unset HF_HUB_OFFLINE." if constants.HF_HUB_OFFLINE else ".")
    )


@functools.cache
def _say_once(message: str) -> None:
    log.warning(message)
