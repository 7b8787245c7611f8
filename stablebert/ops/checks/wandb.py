"""The mirror of runs in W&B."""

import os
from collections.abc import Iterator
from importlib.metadata import version

from stablebert.config.schema import RunConfig
from stablebert.ops.finding import Finding, Level
from stablebert.tracking.client import (
    UnknownLoginError,
    connection_problem,
    login_problem,
    server_url,
)

MODES = ("online", "offline", "disabled")


def check_wandb(cfg: RunConfig) -> Iterator[Finding]:
    """Look at the mode, the server and the login; only `wandb.mode=online` makes them a problem."""
    variable, setting = os.environ.get("WANDB_MODE"), str(cfg.wandb.mode)
    mode = setting if setting != "auto" else variable or "online"
    text = f"wandb.mode={setting}"
    if setting == "auto":
        value = f"is {variable}" if variable else "is not set"
        text += f", which mirrors only runs of a sweep's agent; WANDB_MODE {value}"
    if mode not in MODES:
        text = f"{text}: expected one of {', '.join(MODES)}; sweeps would show nothing"
        yield Finding("note", f"W&B: {text}")
        return
    if mode != "online":
        yield Finding("ok", f"W&B {version('wandb')}: {text}, so no server is used")
        return
    yield Finding("ok", f"W&B {version('wandb')}: {text}")
    level: Level = "problem" if setting == "online" else "note"
    url = server_url()
    yield _check_server(url, level)
    yield _check_login(url, level)


def _check_server(url: str, level: Level) -> Finding:
    if problem := connection_problem(url):
        advice = "WANDB_MODE=offline needs no network, WANDB_BASE_URL chooses another server"
        return Finding(level, f"W&B: {problem}: {advice}")
    return Finding("ok", f"W&B: {url} answers")


def _check_login(url: str, level: Level) -> Finding:
    """Look for an API key, without printing or trying it."""
    try:
        problem = login_problem(url)
    except UnknownLoginError:
        return Finding("note", "W&B: this version cannot be asked who is logged in: wandb login")
    if problem:
        return Finding(level, f"W&B: {problem}")
    return Finding("ok", f"W&B: logged in to {url} (the key itself is not tried)")
