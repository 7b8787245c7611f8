"""The weights that a run leaves on request: a safetensors file, checked when it is read.

Nothing here imports torch.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stablebert.errors import ActionableError
from stablebert.runs.files import WEIGHTS, write_bytes
from stablebert.runs.record import RunRecord

if TYPE_CHECKING:
    import numpy as np

_DIGEST, _PREDICTIONS = "digest", "predictions_digest"
"""Metadata of the file: the digest of its tensors, and that of the predictions in the record."""


class WeightsError(ActionableError):
    """Weights of a run that cannot be used; the message names the file."""


def save_weights(tensors: Mapping[str, "np.ndarray"], folder: Path, record: RunRecord) -> None:
    """Write the weights of a run into its folder, whole or not at all.

    Args:
        tensors: Weights by name.
        folder: Folder of the run.
        record: Record of the run, which has the digest of the predictions of these weights.
    """
    from safetensors.numpy import save

    digest = ""
    for name in sorted(tensors):
        digest = _extend(digest, name, tensors[name])
    metadata = {_DIGEST: digest, _PREDICTIONS: str(record.predictions_digest)}
    write_bytes(folder / WEIGHTS, save(dict(tensors), metadata))


def read_weights(folder: Path, record: RunRecord) -> Iterator[tuple[str, "np.ndarray"]]:
    """Yield the weights of a run by name, one in memory at a time.

    Raises:
        WeightsError: If the file is missing, damaged (perhaps noticed only after the last weight)
            or does not belong to the record.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / WEIGHTS
    digest = ""
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            if metadata.get(_PREDICTIONS) != record.predictions_digest:
                raise _error(path, "of another run than the record next to it")
            for name in sorted(file.keys()):
                tensor = file.get_tensor(name)
                digest = _extend(digest, name, tensor)
                yield name, tensor
    except (OSError, SafetensorError) as error:
        raise _error(path, f"missing, truncated or damaged ({error})") from error
    if metadata.get(_DIGEST) != digest:
        raise _error(path, "changed after it was written: its digest does not match")


def _extend(digest: str, name: str, tensor: "np.ndarray") -> str:
    """Return the digest of some tensors and one more, given that of the former."""
    extended = hashlib.sha256(f"{digest} {name} {tensor.dtype} {tensor.shape} ".encode())
    extended.update(tensor.tobytes())
    return extended.hexdigest()


def _error(path: Path, problem: str) -> WeightsError:
    advice = "delete it and train the run again with trainer.keep_weights=true"
    return WeightsError(f"{path}: {problem}; {advice}")
