"""Location of the data, model and record folder of a configuration, without torch."""

import os
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from stablebert.config.files import model_folder
from stablebert.config.identity import config_id, prerequisite
from stablebert.config.recognition import check_recognition
from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.filesystem import expand_path
from stablebert.glue.sources import Source, resolve
from stablebert.hub import (
    Content,
    digest,
    fetch_model,
    find_model_files,
    identify_snapshot,
    model_files,
)
from stablebert.runs.files import run_folder
from stablebert.runs.run import LocatedRun, Run
from stablebert.runs.seeds import Seeds
from stablebert.tasks import DEMO, TASKS, Task


def locate(cfg: RunConfig) -> LocatedRun:
    """Find the inputs of a run, downloading them from the hub if necessary, and its folder.

    Raises:
        DataError: If the data are missing.
        HubError: If data or model cannot be downloaded, or a model folder is incomplete.
        RecognitionError: If the configuration lacks the settings of its model.
        ActionableError: If the method needs peft or a newer version of torch, or `monitor.file`
            does not exist.
    """
    _require_packages(cfg)
    if cfg.monitor.file and not expand_path("monitor.file", cfg.monitor.file).is_file():
        raise ActionableError(f"monitor.file={cfg.monitor.file}: there is no such file")
    source = locate_data(cfg.data.source, full_task(cfg), cfg.data.revision, download=True)
    model, content = locate_model(cfg.model.name, cfg.model.revision, download=True)
    check_recognition(cfg, model)
    intermediate = prerequisite(cfg)
    start = locate(intermediate) if intermediate else None
    run = identify(cfg, data=source.identity, model=content.identity, start=start)
    return LocatedRun(cfg, run.config_id, run.folder, source, model, content, start)


def _require_packages(cfg: RunConfig) -> None:
    """Refuse a run whose packages are missing here; a report on such runs needs none of them."""
    if cfg.adapter.kind and find_spec("peft") is None:
        raise ActionableError(
            f"adapter.kind={cfg.adapter.kind} needs peft: pip install 'stablebert[adapters]'"
        )
    torch = version("torch")
    if cfg.optimizer.matrices == "muon" and tuple(map(int, torch.split(".")[:2])) < (2, 9):
        raise ActionableError(
            f"optimizer.matrices=muon needs torch 2.9 or newer; this is torch {torch}: upgrade it, "
            "or use adam"
        )


def identify(cfg: RunConfig, *, data: str, model: str, start: Run | None) -> Run:
    """Return the run of a configuration on data and a model of the given identities."""
    identifier = config_id(cfg, data=data, model=model, start=start.config_id if start else None)
    folder = run_folder(
        expand_path("paths.runs", cfg.paths.runs),
        scale=cfg.scale,
        task=cfg.task,
        method=cfg.method,
        config_id=identifier,
        seeds=Seeds.of(cfg),
    )
    return Run(cfg, identifier, folder)


def full_task(cfg: RunConfig) -> Task:
    """Return the task of a configuration in its full version, which has the same data."""
    return TASKS[TASKS[cfg.task].config]


# Cached per process: the runs of a grid share a few files of up to a gigabyte.
@cache
def locate_data(source: str, task: Task, revision: str | None, *, download: bool) -> Source:
    """Find the data of a task.

    Args:
        source: Value of `data.source`.
        task: The task, in its full version.
        revision: Commit or tag of the hub's data; None for the latest.
        download: False accepts only what the hub's cache has, and uses no network.

    Raises:
        DataError: If the data are missing.
        HubError: If they cannot be downloaded.
    """
    return resolve(source, task, revision, download=download)


@cache
def locate_model(name: str, revision: str | None, *, download: bool) -> tuple[Path, Content]:
    """Find a model: its local folder and its content.

    Args:
        name: Value of `model.name`.
        revision: Commit or tag of the hub's model; None for the latest.
        download: As in `locate_data`.

    Raises:
        HubError: If it cannot be downloaded, or a folder is incomplete.
    """
    if folder := model_folder(name):
        identity = f"sha256:{digest(model_files(folder))}"
        is_demo = name == DEMO or _demo_identity() == f"{DEMO} {identity}"
        return folder, Content(f"{DEMO} {identity}" if is_demo else identity)
    snapshot = fetch_model(name, revision, download=download)
    return snapshot, identify_snapshot(name, snapshot, find_model_files)


def _demo_identity() -> str:
    return locate_model(DEMO, None, download=False)[1].identity


def cache_folder(path: str | None) -> Path:
    """Return the folder of prepared data: the configured one, or the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "stablebert"
    return expand_path("paths.cache", path or default)
