"""Recognition of models: the entry of `conf/models.yaml` whose settings a model receives.

A hub id is recognized by its name or one of its aliases. A folder, or another repository that is in
the hub's cache, is recognized by the model type and sizes in its `config.json`. So one model gets
one recipe under every address. Nothing here uses the network.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from stablebert.config.files import load_conf, model_folder
from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.filesystem import read_bytes
from stablebert.hub import cached_config

AUTO = "auto"
"""Value of `model.like` that asks for recognition, and that stays if a model is not recognized."""
NO_RECIPE = "none"
"""Value of `model.like` that gives a model no settings of its own."""
FACTS = ("layers", "aliases", "paper", "config")
"""Keys of an entry of `conf/models.yaml` that are not settings."""
_LAYER_COUNTS = ("decoder_layers", "n_layer", "n_layers", "num_hidden_layers")
"""Names of the number of layers: BART (the top half counts), XLNet, DistilBERT, all others."""


@cache
def recognize(name: str, revision: str | None) -> str | None:
    """Return the entry of `conf/models.yaml` for a model, or None if it is not recognized.

    Args:
        name: Value of `model.name`.
        revision: Value of `model.revision`.
    """
    if model_folder(name) is None and (entry := _entries_by_id().get(name)):
        return entry
    return recognize_content(_model_config(name, revision))


def recognize_content(config: Mapping[str, Any]) -> str | None:
    """Return the entry of `conf/models.yaml` with the type and sizes of a `config.json`."""
    for entry, values in load_conf("models").items():
        facts = values.get("config", {})
        if facts and all(config.get(key) == value for key, value in facts.items()):
            return str(entry)
    return None


def paper_model(cfg: RunConfig) -> str | None:
    """Return the paper's name of a model (`BERT`, `XLNet`, ...), or None if it is not one of them.

    A repository that only has the sizes of one of them has other weights, so it is none.
    """
    name = cfg.model.name
    if model_folder(name) is None and name not in _entries_by_id():
        return None
    entry = recognize(name, cfg.model.revision)
    if entry is None or cfg.model.like not in (AUTO, entry):
        return None
    paper_name: str | None = load_conf("models")[entry].get("paper")
    return paper_name


def describe_recognitions(configs: Iterable[RunConfig]) -> list[str]:
    """Return a line per model that has the settings of an entry with another name."""
    lines = []
    for model in dict.fromkeys(cfg.model for cfg in configs):
        if model.like not in (AUTO, NO_RECIPE, model.name):
            is_recognized = model.like == recognize(model.name, model.revision)
            verb = "recognized as" if is_recognized else "treated like"
            lines.append(
                f"model.name={model.name} is {verb} {model.like}: its settings in conf/models.yaml "
                "apply; model.like=none leaves them out"
            )
    return lines


class RecognitionError(ActionableError):
    """A model was recognized only after its download, so its run was composed without settings."""


def check_recognition(cfg: RunConfig, folder: Path) -> None:
    """Check that a model that was not recognized by name is none of those in `conf/models.yaml`.

    Args:
        cfg: Configuration, composed when the model's `config.json` may not have been on this
            machine.
        folder: Folder of the model.

    Raises:
        RecognitionError: If the model is recognized now; composing again gives its settings.
    """
    if cfg.model.like != AUTO or not (entry := recognize_content(_read(folder / "config.json"))):
        return
    for cached in (recognize, _model_config):
        cached.cache_clear()
    raise RecognitionError(
        f"model.name={cfg.model.name} turned out to be {entry}, whose settings in conf/models.yaml "
        "were left out because it was not on this machine before; rerun the command"
    )


def layer_count(name: str, revision: str | None) -> int | None:
    """Return the number of layers of a model if it is known without loading it."""
    if model_folder(name) is None and (entry := _entries_by_id().get(name)):
        layers: int | None = load_conf("models")[entry].get("layers")
        return layers
    config = _model_config(name, revision)
    counts = [config[key] for key in _LAYER_COUNTS if isinstance(config.get(key), int)]
    return counts[0] if counts else None


@cache
def _entries_by_id() -> Mapping[str, str]:
    """Return the entry of every hub id that is listed, as its key or as an alias."""
    models = load_conf("models")
    return {i: entry for entry in models for i in (entry, *models[entry].get("aliases", ()))}


@cache
def _model_config(name: str, revision: str | None) -> Mapping[str, Any]:
    """Return the `config.json` of a model; empty if it is not on this machine or unusable."""
    folder = model_folder(name)
    file = folder / "config.json" if folder else cached_config(name, revision)
    return _read(file) if file else {}


def _read(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(read_bytes(file))
    except (OSError, ValueError, RecursionError):  # the loader reports it
        return {}
    return content if isinstance(content, dict) else {}
