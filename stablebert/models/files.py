"""Single files of a model folder, refused if they are missing, empty, a pointer or not JSON."""

import json
from pathlib import Path
from typing import Any

from stablebert.errors import InputError
from stablebert.hub.folders import describe_replacement

LFS_POINTER = b"version https://git-lfs"


class ModelError(InputError, ValueError):
    """A model that cannot be used; the message names the file, the problem and what to do."""


def is_of_content(error: BaseException) -> bool:
    """Return whether an error of a library says that what it reads is damaged.

    The tokenizers library panics with an exception of its own, which is not an Exception.
    """
    is_of_library = isinstance(error, Exception) or type(error).__name__ == "PanicException"
    return is_of_library and not isinstance(error, MemoryError)


def describe_error(error: BaseException) -> str:
    """Return the type and the message of an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def raise_if_not_content(file: Path) -> None:
    """Refuse a file that is missing, contains nothing or only points to its content.

    Raises:
        ModelError: If the file is missing, empty or a Git-LFS pointer.
    """
    try:
        with file.open("rb") as stream:
            start = stream.read(len(LFS_POINTER))
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}; {describe_replacement(file)}") from None
    if not start:
        raise ModelError(f"{file}: empty; {describe_replacement(file)}")
    if start == LFS_POINTER:
        raise ModelError(
            f"{file}: a Git-LFS pointer, not the file itself; run git lfs pull in its repository, "
            "or download the file"
        )


def load_text(file: Path) -> str:
    """Return the text of a file.

    Raises:
        ModelError: If the file is missing, empty, a Git-LFS pointer or not UTF-8.
    """
    raise_if_not_content(file)
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{file}: not UTF-8 text ({error}); {describe_replacement(file)}"
        ) from None


def load_json(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        ModelError: If the file is missing, empty, a Git-LFS pointer or not a JSON object.
    """
    text = load_text(file)
    try:
        content: Any = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{file}: not JSON ({error}); {describe_replacement(file)}") from None
    if not isinstance(content, dict):
        raise ModelError(
            f"{file}: a JSON {type(content).__name__}, not an object; {describe_replacement(file)}"
        )
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")
