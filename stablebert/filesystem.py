"""Access to files that waits for nothing and says in every error which file it is about."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL
from pathlib import Path

from stablebert.errors import ActionableError, ConfigError, machine_fault


def expand_path(key: str, text: str | Path) -> Path:
    """Return the path that a user typed for a key, with a leading `~` or `~name` replaced.

    Raises:
        ConfigError: If there is no such user or home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        advice = "there is no such user, or HOME is not set; write the full path"
        raise ConfigError([f"{key}={text}: {advice}"]) from None


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: If it cannot be read, or is something else, such as a pipe, which might never end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with naming_file(path):
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(EINVAL, "Not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)


@contextmanager
def naming_file(path: str | Path) -> Iterator[None]:
    """Add the name of a file to errors of the system in the block that name none.

    An error of opening a file names it; one of writing to it, as on a full disk, does not. Faults
    of the machine that a library wraps become an OSError.
    """
    try:
        yield
    except ActionableError:
        raise
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    except Exception as error:
        if (number := machine_fault(error)) is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
