"""Errors that a user can act on; the command line prints them without a traceback."""

import errno
import os
import re
import sys
from collections.abc import Callable, Sequence

MACHINE_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}
"""Error numbers that blame the disk, a folder or the system: every further run would fail too."""
_QUOTE = r"(?:\(|os error |code: )%d\b"
"""Number of an error as libraries in Rust and C++ quote it: `(os error 28)`, `code: 28`, `(28)`."""


def mask_credentials(text: str) -> str:
    """Replace the user name and password in every URL of a text with `***`.

    Example:
        >>> mask_credentials("no answer from https://me:hf_token@mirror.org/api")
        'no answer from https://***@mirror.org/api'
    """
    return re.sub(r"(?<=://)[^/?#\s]+@", "***@", text)


def mask_standard_streams() -> None:
    """Mask credentials in all that this process prints, such as the lines of wandb and tracebacks.

    Each stream keeps its type and all but `write`, which libraries replace in the same way.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not isinstance(stream.write, _MaskedWrite):
            stream.write = _MaskedWrite(stream.write)  # type: ignore[method-assign]


class _MaskedWrite:
    """The `write` of a stream, after masking."""

    def __init__(self, write: Callable[[str], int]):
        self._write = write

    def __call__(self, text: str) -> int:
        return self._write(mask_credentials(text) if "://" in text else text)


class ActionableError(Exception):
    """A failure whose message says what to do about it; the exit status is 1.

    Args:
        message: The message; credentials in its URLs are masked.
    """

    def __init__(self, message: str):
        super().__init__(mask_credentials(message))


class InputError(ActionableError):
    """A model or data that no run can use; the message names the file and what to do.

    The run is not at fault: it leaves no crash record, and a grid stops.
    """


class ConfigError(Exception):
    """Every problem of a configuration, found before anything is loaded; the exit status is 2.

    Attributes:
        problems: One line per problem.
    """

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = list(problems)


def is_system_error(error: BaseException) -> bool:
    """Return whether an error is one of the system, and no bug: file and reason say enough."""
    has_number = isinstance(error, OSError) and error.errno is not None
    return has_number or machine_fault(error) is not None


def describe_system_error(error: BaseException) -> str:
    """Return file and reason of an error of the system: `x.csv: No space left on device`.

    The error of a library that wraps one is its first line and the reason.
    """
    if isinstance(error, OSError) and error.errno is not None:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        reason = error.strerror or str(error)
        if isinstance(error, FileExistsError):  # from making a folder where there is a file
            reason = "exists but is not a folder"
        parts = [*dict.fromkeys(names), reason]
    else:
        number = machine_fault(error)
        reason = os.strerror(number) if number else ""
        parts = [type(error).__name__, *str(error).splitlines()[:1]]
        parts += [reason] if reason not in parts[-1] else []
    return mask_credentials(": ".join(parts))


def machine_fault(error: BaseException) -> int | None:
    """Return the number of the fault of the machine that caused an error, None if there is none.

    Libraries wrap errors of the system in their own, or only quote them in a message. An allocation
    that is too large (MemoryError) depends on the run, as on a GPU, and is not the machine's fault.
    """
    visited: list[BaseException] = []
    cause: BaseException | None = error
    while cause and cause not in visited:
        visited.append(cause)
        numbers = [cause.errno] if isinstance(cause, OSError) else _quoted_numbers(cause)
        if faults := MACHINE_ERRORS.intersection(numbers):
            return faults.pop()
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def _quoted_numbers(error: BaseException) -> list[int]:
    """Return the error numbers that a message quotes together with their texts."""
    text = str(error)
    return [n for n in MACHINE_ERRORS if os.strerror(n) in text and re.search(_QUOTE % n, text)]
