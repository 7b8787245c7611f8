"""The hub, and the data and models of the configuration."""

import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.hub import DamagedFileError
from stablebert.ops.checks.disk import ENOUGH_BYTES, free_bytes, write_problem
from stablebert.ops.finding import Finding
from stablebert.ops.items import HubItem, Item, LocalItem, Part, required_items
from stablebert.text import count_of
from stablebert.timeouts import run_with_timeout

PROBE_SECONDS = 5
OLD_SECONDS = 3600
"""Age after which an unfinished download is an abandoned one."""


def check_hub(cfg: RunConfig) -> Iterator[Finding]:
    """Look at the cache of the hub and ask whether the hub answers."""
    from huggingface_hub import constants

    folder, offline = Path(constants.HF_HUB_CACHE), constants.HF_HUB_OFFLINE
    free = free_bytes(folder)
    text = f"hub: cache {folder} (HF_HOME), {free / 1e9:.0f} GB free"
    if offline:
        yield Finding("ok", f"{text}; HF_HUB_OFFLINE is set, so the hub is not used")
    elif problem := hub_connection_problem():
        advice = "only cached items can be used, and without delay if HF_HUB_OFFLINE=1"
        yield Finding("note", f"{text}; the hub does not answer ({problem}): {advice}")
    else:
        yield Finding("ok", f"{text}; {constants.ENDPOINT} answers")
    if free < ENOUGH_BYTES and not offline:
        text = f"hub: {free / 1e9:.1f} GB are not enough for BERT-large"
        yield Finding("note", f"{text}: set HF_HOME to a folder on another disk")
    parts = [file.stat() for file in folder.glob("*/blobs/*.incomplete")]
    old = [part.st_size for part in parts if time.time() - part.st_mtime > OLD_SECONDS]
    if old:
        downloads = count_of(len(old), "unfinished download")
        text = f"hub: {downloads} of {sum(old) / 1e9:.1f} GB, never resumed"
        yield Finding("note", f"{text}: rm {folder}/*/blobs/*.incomplete")


@cache
def hub_connection_problem() -> str:
    """Return why the hub does not answer; empty if it answers.

    Uses the hub's own client, with its proxies and certificates.
    """
    import huggingface_hub as hf
    from huggingface_hub import constants

    def head() -> str:
        answer = hf.get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS)
        return "" if answer.status_code < 500 else f"status {answer.status_code}"

    try:
        problem = run_with_timeout(PROBE_SECONDS + 1, head)  # name resolution has no limit
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    return f"{constants.ENDPOINT}: {problem}" if problem else ""


def check_data(cfg: RunConfig) -> Iterator[Finding]:
    """Look for the data of the run and of the run that it starts from."""
    yield from _check_items(cfg, "data")


def check_model(cfg: RunConfig) -> Iterator[Finding]:
    """Look for the pre-trained model."""
    yield from _check_items(cfg, "model")


def _check_items(cfg: RunConfig, part: Part) -> Iterator[Finding]:
    for item in required_items([cfg]):
        if item.part == part:
            yield _check_item(item)


def _check_item(item: Item) -> Finding:
    name = f"{item.part}: {item.name}"
    if isinstance(item, LocalItem):
        try:
            item.check()
        except ActionableError as error:
            return Finding("problem", str(error))
        return Finding("ok", name)
    try:
        return Finding("ok", f"{name}, cached at commit {item.fetch(download=False).name[:12]}")
    except DamagedFileError as error:
        return Finding("problem", str(error))
    except ActionableError as error:
        return _check_uncached(item, name, str(error))


def _check_uncached(item: HubItem, name: str, problem: str) -> Finding:
    """Ask whether the item can be fetched."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return Finding("problem", f"{problem}, and HF_HUB_OFFLINE is set: see stablebert prefetch")
    if hub_connection_problem():
        text = f"{problem}, and the hub does not answer"
        return Finding("problem", f"{text}: run stablebert prefetch on a machine with a network")
    try:
        commit = item.find_commit()
    except ActionableError as error:
        return Finding("problem", str(error))
    folder = Path(constants.HF_HUB_CACHE)
    if problem := write_problem(folder):
        text = f"{name}: must be fetched, but {folder} cannot be written"
        return Finding("problem", f"{text}: {problem}: set HF_HOME to a folder of yours")
    return Finding("ok", f"{name}, will be fetched from the hub, at commit {commit[:12]}")
