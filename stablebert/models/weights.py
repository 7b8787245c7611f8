"""The weight files of a model folder: which ones are loaded, and whether they are whole.

Without torch, so that a command can check a model before it starts a worker.
"""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stablebert.hub.folders import WEIGHTS, describe_replacement
from stablebert.models.files import ModelError, load_json, raise_if_not_content
from stablebert.text import count_of

EXPONENTS: Mapping[str, tuple[str, int]] = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}
"""Integer type of the same width, and the bits that are all set in NaN and infinity only."""


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of a safetensors file.

    Attributes:
        dtype: Name of its type, such as `F32`.
        start: Position of its first byte in the file.
        end: Position after its last byte.
    """

    dtype: str
    start: int
    end: int


def check_weights(folder: Path, is_used: Callable[[str], bool]) -> None:
    """Check that the weights are complete, real numbers.

    Args:
        folder: Folder of the model.
        is_used: Returns whether the model uses the tensor of a name.

    Raises:
        ModelError: If a file is missing, empty, truncated or a Git-LFS pointer, or a tensor that is
            used is quantized or contains NaN or infinity.
    """
    for file in weight_files(folder):
        raise_if_not_content(file)
        if file.suffix == ".safetensors":
            _check_tensors(file, is_used)
        elif not _is_torch_file(file):
            raise ModelError(
                f"{file}: not a whole file of torch.save; {describe_replacement(file)}"
            )


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files that the library loads.

    Raises:
        ModelError: If there are none, or a shard is missing.
    """
    for name in WEIGHTS:
        if (file := folder / name).is_file():
            return [file]
        if (index := folder / f"{name}.index.json").is_file():
            return _shards(index)
    raise ModelError(f"{folder}: no weights; expected {' or '.join(WEIGHTS)}")


def _shards(index: Path) -> list[Path]:
    """Return the files that the index of a sharded model names."""
    names = load_json(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ModelError(f"{index}: no weight_map from tensors to files; download the file again")
    files = [index.parent / name for name in sorted(set(names.values()))]
    if missing_names := [file.name for file in files if not file.is_file()]:
        raise ModelError(
            f"{index}: the folder lacks {', '.join(missing_names)}; copy or download all shards"
        )
    if not files or not all(file.parent == index.parent for file in files):
        raise ModelError(f"{index}: weight_map must name files of this folder; download it again")
    return files


def _check_tensors(file: Path, is_used: Callable[[str], bool]) -> None:
    """Check the tensors of a safetensors file that are used."""
    tensors = {name: info for name, info in _read_header(file) if is_used(name)}
    if quantized := [name for name, info in tensors.items() if info.dtype not in EXPONENTS]:
        dtype = tensors[quantized[0]].dtype
        raise ModelError(
            f"{file}: {count_of(len(quantized), 'tensor')} of type {dtype}, {quantized[0]} first; "
            f"expected {', '.join(EXPONENTS)}: use the model from which this one was quantized"
        )
    content = np.memmap(file, dtype=np.uint8, mode="r")
    for name, info in tensors.items():
        integer, exponent = EXPONENTS[info.dtype]
        bits = content[info.start : info.end].view(integer)
        if bits.size and bool(((bits & exponent) == exponent).any()):
            raise ModelError(not_finite(file, name))


def not_finite(source: object, tensor: str) -> str:
    """Return the message for a tensor with NaN or infinity."""
    return (
        f"{source}: {tensor} contains NaN or infinity, so every run would fail; "
        "copy or download the weights again, or use another model"
    )


def _read_header(file: Path) -> Iterator[tuple[str, TensorInfo]]:
    """Yield the tensors of a safetensors file, which is verified to be whole."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np"):
            pass
    except (SafetensorError, ValueError) as error:
        raise ModelError(
            f"{file}: truncated or damaged ({error}); {describe_replacement(file)}"
        ) from None
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header: dict[str, Any] = json.loads(stream.read(size))
    for name, tensor in header.items():
        if name != "__metadata__":
            start, end = (8 + size + offset for offset in tensor["data_offsets"])
            yield name, TensorInfo(tensor["dtype"], start, end)


def _is_torch_file(file: Path) -> bool:
    """Return whether a file looks as `torch.save` writes it: a zip archive, or older a pickle."""
    with file.open("rb") as stream:
        return zipfile.is_zipfile(stream) or stream.read(2) == b"\x80\x02"
