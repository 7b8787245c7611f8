"""Independent random streams from one seed."""

import hashlib

from torch import Generator


def stream_seed(seed: int, purpose: str) -> int:
    """Seed of the stream for a purpose, so that one purpose's draws never shift another's.

    `head`, `reinit`, `order` and `dropout` are streams of their own: standard and Re-init with one
    seed share head, data order and dropout masks.
    """
    return int.from_bytes(hashlib.sha256(f"{purpose}:{seed}".encode()).digest()[:4], "big")


def stream_generator(seed: int, purpose: str) -> Generator:
    """CPU generator of the stream: the same numbers whatever the device of the run."""
    return Generator().manual_seed(stream_seed(seed, purpose))
