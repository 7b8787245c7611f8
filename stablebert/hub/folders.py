"""The files of local folders: which ones a model or a task needs."""

import re
from collections.abc import Iterable
from pathlib import Path

from stablebert.hub.errors import HubError
from stablebert.tasks import TASKS

CONFIG = ["config.json", "generation_config.json"]
TOKENIZER = ["*token*.json", "vocab.*", "merges.txt", "special_tokens_map.json", "*.model"]
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Names of weight files, in the order in which the library looks for them; each may be sharded."""
SAFETENSORS = ["model*.safetensors", "model.safetensors.index.json"]
PICKLES = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]


def shards(folder: Path, split: str) -> tuple[Path, ...]:
    """Return the parquet files of a split in row order; empty unless all are there, each once."""
    return complete_shards(file for file in folder.glob(f"{split}-*.parquet") if file.is_file())


def complete_shards(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return files in order; empty if they are numbered `-I-of-N` and not all there, each once."""
    files = sorted(paths)
    numbers = [re.fullmatch(r".*-(\d+)-of-(\d+)\.\w+", file.name) for file in files]
    expected = [(i, len(files)) for i in range(len(files))]
    if any(numbers) and [n and (int(n[1]), int(n[2])) for n in numbers] != expected:
        return ()
    return tuple(files)


def find_glue_files(folder: Path, config: str) -> list[Path]:
    """Return the train and dev files of a task in a snapshot of GLUE; none if one is missing."""
    parts = [shards(folder / config, split) for split in ("train", TASKS[config].dev_split)]
    return [file for part in parts for file in part] if all(parts) else []


def is_model_folder(folder: Path) -> bool:
    """Return whether a folder contains a configuration, a tokenizer and all of the weights."""
    tokenizers = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
    if not (folder / "config.json").is_file() or not any(any(folder.glob(t)) for t in tokenizers):
        return False
    for weights in WEIGHTS:
        if (index := folder / f"{weights}.index.json").is_file():
            text = index.read_text("utf-8", errors="replace")
            parts = set(re.findall(r"[\w.-]+-of-[\w.-]+", text))
            if parts and all((folder / part).is_file() for part in parts):
                return True
        elif (folder / weights).is_file():
            return True
    return False


def find_model_files(folder: Path) -> list[Path]:
    """Return the files of a model folder that determine its numbers; none if one is missing."""
    files = _matching_files(folder) if is_model_folder(folder) else []
    return files if all(file.is_file() for file in files) else []


def model_files(folder: Path) -> list[Path]:
    """Return the files of a model folder that determine its numbers.

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
    files = _matching_files(folder)
    if broken := [file.name for file in files if not file.is_file()]:
        raise HubError(
            f"model.name={folder}: {', '.join(broken)}: not a file, or a broken link; "
            "copy or download it again"
        )
    return files


def describe_replacement(file: Path) -> str:
    """Return how to get a damaged file again; in the hub's cache, it must be deleted first."""
    folders = [(folder.parent.name, len(folder.name)) for folder in file.parents]
    if ("snapshots", 40) not in folders:
        return "copy or download it again"
    return f"delete {file.resolve()} and run this again, with a network, to download it"


def _matching_files(folder: Path) -> list[Path]:
    """Return the configuration, the tokenizer and the weights."""
    weights = SAFETENSORS if any(folder.glob("model*.safetensors")) else PICKLES
    patterns = ["config.json", *TOKENIZER, *weights]
    return sorted({file for pattern in patterns for file in folder.glob(pattern)})
