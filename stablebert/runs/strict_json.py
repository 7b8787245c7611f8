"""JSON objects with checked types and a digest: damage is found before anything uses a value."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType
from typing import Any, Union, get_args, get_origin, get_type_hints

DIGEST = "digest"
"""Key of an object's digest."""
CHANGED = "changed after it was written: its digest does not match"
"""Problem of an object for which `pop_digest` is true."""
LIMIT = 10**18
"""Bound of every number: larger ones are damage, and some cannot become a float."""


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object in which no key appears twice.

    Raises:
        ValueError: If the text is anything else.
    """
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError(f"expected a JSON object, got a {type(data).__name__}")
    return data


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)} is given twice")
    return data


def with_digest(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the digest of its other values."""
    return {**data, DIGEST: _digest(data)}


def pop_digest(data: dict[str, Any]) -> bool:
    """Remove the digest, and return whether it is that of other values; older objects have none."""
    return data.pop(DIGEST, None) not in (None, _digest(data))


def _digest(data: Mapping[str, Any]) -> str:
    """Return the digest of an object, however its numbers are spelled.

    A value that is None may be absent, so that an optional one can be added.
    """
    present = {key: value for key, value in data.items() if value is not None}
    canonical = json.dumps(_canonical(present), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def _canonical(value: Any) -> Any:
    if type(value) is dict:
        return {key: _canonical(inner) for key, inner in value.items()}
    return int(value) if type(value) is float and value.is_integer() else value


def describe_mismatches(data: Mapping[str, Any], hints: Mapping[str, Any]) -> list[str]:
    """Return `name=value` for each value that does not have the type of its field.

    Args:
        data: Values by field.
        hints: Types by field, made of `str`, `int`, `float`, None, unions,
            `list[...]` and `dict[str, ...]`.
    """
    return [
        f"{name}={shorten(value)}"
        for name, value in data.items()
        if name in hints and not _test_of(hints[name])(value)
    ]


def check_fields(data: Mapping[str, Any], cls: type, name: str) -> None:
    """Check that the keys and values of a JSON object are those of a dataclass.

    Args:
        data: The object.
        cls: The dataclass, whose fields have the types that `describe_mismatches` knows.
        name: Name of the dataclass in messages, with its article.

    Raises:
        ValueError: If a key is missing or unknown, or a value has another type.
    """
    hints = get_type_hints(cls)
    if data.keys() != hints.keys():
        raise ValueError(f"not {name}; differs in {sorted(data.keys() ^ hints.keys())}")
    if invalid := describe_mismatches(data, hints):
        raise ValueError(f"invalid values: {', '.join(invalid)}")


def shorten(value: object) -> str:
    """Return the representation of a value, cut to a length that a message can hold."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


@cache  # a table is built from thousands of records
def _test_of(hint: Any) -> Callable[[Any], bool]:
    """Return a function that tells whether a value has a type."""
    if hint is float:
        return lambda value: type(value) in (int, float) and -LIMIT < value < LIMIT  # no NaN
    if hint is int:
        return lambda value: type(value) is int and -LIMIT < value < LIMIT
    if hint is str:
        return lambda value: type(value) is str and (value.isascii() or _is_encodable(value))
    if hint in (None, NoneType):
        return lambda value: value is None
    if get_origin(hint) is dict:
        test = _test_of(get_args(hint)[1])
        return lambda value: type(value) is dict and all(map(test, value.values()))
    if get_origin(hint) is list:
        test_item = _test_of(get_args(hint)[0])
        return lambda value: type(value) is list and all(map(test_item, value))
    one, *others = get_args(hint)  # a union
    if not others:
        return _test_of(one)
    first, second = _test_of(one), _test_of(Union[*others])
    return lambda value: first(value) or second(value)


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
