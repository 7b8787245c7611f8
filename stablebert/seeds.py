"""Independent random streams from one seed."""

import hashlib

from torch import Generator


def stream_seed(seed: int, purpose: str) -> int:
    """Return the seed of the stream for a purpose.

    The draws for one purpose never shift those for another: `standard` and Re-init with one seed
    share head, data order and dropout masks.

    Args:
        seed: Seed of the run.
        purpose: `head`, `adapters`, `noise`, `reinit`, `order` or `dropout`; any other string is a
            stream of its own.

    Returns:
        Integer below 2**32.

    Example:
        >>> stream_seed(0, "head"), stream_seed(0, "order")
        (3560146432, 1291949402)
    """
    return int.from_bytes(hashlib.sha256(f"{purpose}:{seed}".encode()).digest()[:4], "big")


def stream_generator(seed: int, purpose: str) -> Generator:
    """Return a CPU generator of the stream: the same numbers on every device.

    Args:
        seed: Seed of the run.
        purpose: See `stream_seed`.
    """
    return Generator().manual_seed(stream_seed(seed, purpose))
