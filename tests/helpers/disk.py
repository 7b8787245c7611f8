"""A full disk, as far as this process can tell."""

import resource
from contextlib import contextmanager


@contextmanager
def full_disk(room=0):
    """Let no file grow beyond `room` bytes inside the block: writing more is an error (EFBIG).

    The kernel also sends SIGXFSZ, which Python ignores.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
