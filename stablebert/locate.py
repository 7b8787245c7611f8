"""Where a run's data, model and record are: what identifies it, found without torch."""

from dataclasses import dataclass
from pathlib import Path

from stablebert.config import RunConfig, config_id
from stablebert.glue.sources import Source, resolve
from stablebert.glue.tasks import TASKS
from stablebert.hub import digest, fetch_model, model_files
from stablebert.results import run_folder


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
    source = resolve(cfg.data.source, TASKS[cfg.task], cfg.data.revision)
    model = Path(cfg.model.name).expanduser()
    if model.is_dir():
        identity = f"sha256:{digest(model_files(model))}"
    else:
        model = fetch_model(cfg.model.name, cfg.model.revision)
        identity = f"{cfg.model.name}@{model.name}"
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
