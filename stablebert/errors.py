"""Errors that a user can act on; the command line prints them without a traceback."""

import re
from collections.abc import Sequence


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


class ConfigError(Exception):
    """Every problem of a configuration, found before anything is loaded; the exit status is 2.

    Attributes:
        problems: One line per problem.
    """

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = list(problems)
