"""Errors that a user can act on; the command line prints them without a traceback."""

import errno
import re
from collections.abc import Sequence

MACHINE_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE),
}
"""Error numbers that blame the disk, a folder or the system: every further run would fail too."""


def mask_credentials(text: str) -> str:
    """Replace the user name and password in every URL of a text with `***`.

    Example:
        >>> mask_credentials("no answer from https://me:hf_token@mirror.org/api")
        'no answer from https://***@mirror.org/api'
    """
    return re.sub(r"(?<=://)[^/?#\s]+@", "***@", text)


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


def describe_os_error(error: OSError) -> str:
    """Return file and reason of an error of the system: `x.csv: No space left on device`."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return mask_credentials(": ".join([*dict.fromkeys(names), error.strerror or str(error)]))
