"""Where a run's data, model and record are: what identifies it, found without torch."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stablebert.config import RunConfig, config_id
from stablebert.glue.sources import Source, resolve
from stablebert.glue.tasks import TASKS
from stablebert.hub import digest, fetch_model, model_files
from stablebert.results import run_folder


# Once per process: a grid's runs share a few files, of up to a gigabyte.
@cache
def _source(source: str, config: str, revision: str | None) -> Source:
    return resolve(source, TASKS[config], revision)


@cache
def _model(name: str, revision: str | None) -> tuple[Path, str]:
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder, f"sha256:{digest(model_files(folder))}"
    snapshot = fetch_model(name, revision)
    return snapshot, f"{name}@{snapshot.name}"


@dataclass(frozen=True)
class LocatedRun:
    """A configuration with the contents that it names."""

    cfg: RunConfig
    source: Source
    model: Path
    """Local folder with the pre-trained model and its tokenizer."""
    model_identity: str
    """Its content: `<hub id>@<commit>`, or a digest of a folder's files."""
    config_id: str
    folder: Path
    """Of the run's record."""


def locate(cfg: RunConfig) -> LocatedRun:
    """Find data and model, fetching what the hub has, and the folder of the run's record.

    Raises:
        DataError: no data there.
        HubError: data or model cannot be fetched, or a model folder is incomplete.
    """
    source = _source(cfg.data.source, TASKS[cfg.task].config, cfg.data.revision)
    model, identity = _model(cfg.model.name, cfg.model.revision)
    identifier = config_id(cfg, data=source.identity, model=identity)
    folder = run_folder(
        Path(cfg.paths.runs).expanduser(),
        scale=cfg.scale,
        task=cfg.task,
        method=cfg.method,
        config_id=identifier,
        seed_init=cfg.init_seed,
        seed_data=cfg.data_seed,
    )
    return LocatedRun(cfg, source, model, identity, identifier, folder)
