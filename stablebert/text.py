"""Text from elsewhere, made safe to print."""


def escape_controls(text: str, *, keep: str = "") -> str:
    r"""Replace characters that cannot be printed, and that a terminal may act on, by escapes.

    Args:
        text: Any text, such as a file's name or a field of a record.
        keep: Characters to leave as they are, such as a line feed.

    Example:
        >>> escape_controls("\x1b[31mred")
        '\\x1b[31mred'
    """
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def count_of(n: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> count_of(1, "run"), count_of(0, "run"), count_of(2, "run")
        ('1 run', '0 runs', '2 runs')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"
