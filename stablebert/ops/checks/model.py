"""The files of the model: complete, and fit for each other and for the length of rows."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stablebert.config.files import model_folder
from stablebert.config.schema import RunConfig
from stablebert.hub import HubError, fetch_model
from stablebert.models.folder import check_folder
from stablebert.models.trial import REFUSED
from stablebert.ops.checks.accelerator import TORCH_SECONDS
from stablebert.ops.finding import Finding


def check_model_files(cfg: RunConfig) -> Iterator[Finding]:
    """Load the model and its tokenizer as a run does, if they are on this machine.

    Raises:
        ModelError: If a file is damaged or the files do not fit together.
    """
    try:
        folder = find_local_model(cfg)
    except HubError:  # `check_model` reports it
        return
    check_folder(folder, max_length=cfg.data.max_length)
    command = [sys.executable, "-m", "stablebert.models.trial", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=TORCH_SECONDS)
    for warning in process.stdout.splitlines():
        yield Finding("note", f"model: {warning}")
    if process.returncode == REFUSED:
        yield Finding("problem", f"model: {process.stderr.splitlines()[-1]}")
    elif process.returncode:
        yield Finding("note", "model: cannot be tried without torch and transformers")
    else:
        yield Finding(
            "ok",
            f"model: weights, tokenizer and data.max_length={cfg.data.max_length} fit together",
        )


def find_local_model(cfg: RunConfig) -> Path:
    """Return the folder of the model.

    Raises:
        HubError: If it is a model of the hub that is not in the cache.
    """
    folder = model_folder(cfg.model.name)
    return folder or fetch_model(cfg.model.name, cfg.model.revision, download=False)
