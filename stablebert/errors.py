"""Errors that a user can act on; the command line prints them without a traceback."""

from collections.abc import Sequence


class ActionableError(Exception):
    """A failure whose message says what to do about it; the exit status is 1."""


class ConfigError(Exception):
    """Every problem of a configuration, found before anything is loaded; the exit status is 2.

    Attributes:
        problems: One line per problem.
    """

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = list(problems)
