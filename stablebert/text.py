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
