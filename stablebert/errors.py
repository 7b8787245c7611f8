"""What a person can act on."""


class ActionableError(Exception):
    """The command line prints the message alone, without a traceback, and exits with 1."""
