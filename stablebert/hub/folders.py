"""The files of local folders: which ones a model or a split needs, and their content."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from stablebert.hub.errors import HubError
from stablebert.hub.integrity import sha256

CONFIG = ["config.json", "generation_config.json"]
TOKENIZER = ["*token*.json", "vocab.*", "merges.txt", "special_tokens_map.json", "*.model"]
SAFETENSORS = ["model*.safetensors", "model.safetensors.index.json"]
PICKLES = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]


def shards(folder: Path, split: str) -> tuple[Path, ...]:
    """Return the parquet files of a split in row order; empty unless all are there."""
    files = sorted(folder.glob(f"{split}-*.parquet"))
    counts = [re.search(r"-of-(\d+)", file.name) for file in files]
    if any(count and int(count[1]) != len(files) for count in counts):
        return ()
    return tuple(file for file in files if file.is_file())


def is_model_folder(folder: Path) -> bool:
    """Return whether a folder contains a configuration, a tokenizer and all of the weights."""
    tokenizers = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
    if not (folder / "config.json").is_file() or not any(any(folder.glob(t)) for t in tokenizers):
        return False
    for weights in ("model.safetensors", "pytorch_model.bin"):
        if (index := folder / f"{weights}.index.json").is_file():
            text = index.read_text("utf-8", errors="replace")
            parts = set(re.findall(r"[\w.-]+-of-[\w.-]+", text))
            if parts and all((folder / part).is_file() for part in parts):
                return True
        elif (folder / weights).is_file():
            return True
    return False


def model_files(folder: Path) -> list[Path]:
    """Return the files of a model folder that decide its numbers: config, tokenizer, weights.

    Raises:
        HubError: If the folder lacks one of them, or one is a broken link.
    """
    if not is_model_folder(folder):
        contents = ", ".join(sorted(f.name for f in folder.iterdir())) or "nothing"
        raise HubError(
            f"model.name={folder}: a model folder must contain config.json, a tokenizer "
            "(tokenizer.json or vocab.txt) and weights (model.safetensors or pytorch_model.bin, or "
            f"its index and all shards); it contains {contents}"
        )
    weights = SAFETENSORS if any(folder.glob("model*.safetensors")) else PICKLES
    patterns = ["config.json", *TOKENIZER, *weights]
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    if broken := [file.name for file in files if not file.is_file()]:
        raise HubError(
            f"model.name={folder}: {', '.join(broken)}: not a file, or a link to one that is gone; "
            "copy or download it again"
        )
    return files


def digest(files: Iterable[Path]) -> str:
    """Return 32 hex digits that depend on the names and contents of files."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name} {sha256(file)}\n".encode())
    return whole.hexdigest()[:32]
