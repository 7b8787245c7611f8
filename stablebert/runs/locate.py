"""Location of the data, model and record folder of a configuration, without torch."""

import os
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path

from stablebert.config.files import model_folder
from stablebert.config.identity import config_id, prerequisite
from stablebert.config.recognition import check_recognition
from stablebert.config.schema import RunConfig
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
from stablebert.runs.files import RESULT, run_folder
from stablebert.runs.run import LocatedRun, Run
from stablebert.runs.seeds import Seeds
from stablebert.tasks import DEMO, TASKS


def locate(cfg: RunConfig) -> LocatedRun:
    """Find the inputs of a run, downloading them from the hub if necessary, and its folder.

    Raises:
        DataError: If the data are missing.
        HubError: If data or model cannot be downloaded, or a model folder is incomplete.
        RecognitionError: If the configuration lacks the settings of its model.
    """
    source = locate_data(cfg.data.source, TASKS[cfg.task].config, cfg.data.revision)
    model, content = locate_model(cfg.model.name, cfg.model.revision)
    check_recognition(cfg, model)
    intermediate = prerequisite(cfg)
    start = locate(intermediate) if intermediate else None
    run = identify(cfg, data=source.content, model=content, start=start)
    return LocatedRun(cfg, run.config_id, run.folder, run.former_ids, source, model, content, start)


def identify(cfg: RunConfig, *, data: Content, model: Content, start: Run | None) -> Run:
    """Return the run of a configuration on the given contents of data and model."""
    inputs = product(
        (data.identity, *data.addresses),
        (model.identity, *model.addresses),
        (start.config_id, *start.former_ids) if start else (None,),
    )
    identifiers = [config_id(cfg, data=d, model=m, start=s) for d, m, s in inputs]
    return Run(cfg, identifiers[0], find_folder(cfg, identifiers), tuple(identifiers[1:]))


def find_folder(cfg: RunConfig, identifiers: Sequence[str]) -> Path:
    """Return the folder of a run: that of its record, also of one with a former identifier.

    Args:
        cfg: Configuration of the run.
        identifiers: `config_id` of the run, and former ones.
    """
    folders = [
        run_folder(
            expand_path("paths.runs", cfg.paths.runs),
            scale=cfg.scale,
            task=cfg.task,
            method=cfg.method,
            config_id=identifier,
            seeds=Seeds.of(cfg),
        )
        for identifier in identifiers
    ]
    if len(folders) == 1:
        return folders[0]
    return next((folder for folder in folders if (folder / RESULT).exists()), folders[0])


# Cached per process: the runs of a grid share a few files of up to a gigabyte.
@cache
def locate_data(source: str, config: str, revision: str | None) -> Source:
    """Find the data of a task.

    Args:
        source: Value of `data.source`.
        config: Name of the task's full version, as in GLUE.
        revision: Commit or tag of the hub's data; None for the latest.

    Raises:
        DataError: If the data are missing.
        HubError: If they cannot be downloaded.
    """
    return resolve(source, TASKS[config], revision)


@cache
def locate_model(name: str, revision: str | None) -> tuple[Path, Content]:
    """Find a model: its local folder and its content.

    Args:
        name: Value of `model.name`.
        revision: Commit or tag of the hub's model; None for the latest.

    Raises:
        HubError: If it cannot be downloaded, or a folder is incomplete.
    """
    if folder := model_folder(name):
        identity = f"sha256:{digest(model_files(folder))}"
        is_demo = name == DEMO or locate_model(DEMO, None)[1].identity == f"{DEMO} {identity}"
        return folder, Content(f"{DEMO} {identity}" if is_demo else identity)
    snapshot = fetch_model(name, revision)
    return snapshot, identify_snapshot(name, snapshot, find_model_files)


def cache_folder(path: str | None) -> Path:
    """Return the folder of prepared data: the configured one, or the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "stablebert"
    return expand_path("paths.cache", path or default)
