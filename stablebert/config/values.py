"""Parsing of values by key, and descriptions of the allowed values."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Any, Literal, get_args, get_origin

from stablebert.config.files import load_conf
from stablebert.config.schema import KEYS, RETIRED_KEYS, NameIn

_BOOLS = {"true": True, "1": True, "yes": True, "on": True}
_BOOLS |= {"false": False, "0": False, "no": False, "off": False}
_NULL = {"null", "none", "~"}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_MULTIPLE = re.compile(rf"\s*({_NUMBER.pattern})x\s*")
_ITEM = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]*?)\s*(?:,|$)""")


def parse_value(text: str, key: str) -> Any:
    """Parse the value of `key` by the type of the key, never by the look of the text.

    Numbers are plain decimal: no underscores, no other digits than 0 to 9, and in integers no
    leading zeros, which some readers take for octal numbers.

    Raises:
        ValueError: If the text is not an allowed value; see `describe_allowed_values`.
    """
    if not text.strip():  # more likely an unset shell variable than an intended empty value
        raise ValueError(text)
    choices = choices_of(key)
    if text.strip().lower() in _NULL and text not in choices:
        if KEYS[key].optional:
            return None
        raise ValueError(text)
    if _joins_names(key) and "+" in text:
        parts = [_parse_as(part, Literal[tuple(choices)]) for part in unquote(text).split("+")]
        return "+".join(sorted(parts, key=choices.index))  # one name, in whatever order
    is_file_entry = choices and get_origin(KEYS[key].hint) is not Literal
    return _parse_as(text, Literal[tuple(choices)] if is_file_entry else KEYS[key].hint)


def _parse_as(text: str, hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    bare = unquote(text.strip())
    value: Any = None
    if hint is str:
        value = bare
    elif hint is bool:
        value = _BOOLS.get(bare.lower())
    elif hint is int:
        value = int(bare) if _INTEGER.fullmatch(bare) else None
    elif hint is float:  # adding 0.0 makes -0.0 positive
        value = float(bare) + 0.0 if _NUMBER.fullmatch(bare) and isfinite(float(bare)) else None
    elif origin is Literal:
        value = next((v for v in (bare, _BOOLS.get(bare.lower())) if v in args), None)
    elif origin is Annotated:
        inner = _parse_as(text, args[0])
        value = inner if args[1].test(inner) else None
    else:  # a tuple, either of one type or of one type per position
        items = _split_items(bare)
        hints = args[:1] * len(items) if args[1] is ... else args
        if len(items) == len(hints):
            value = tuple(_parse_as(*pair) for pair in zip(items, hints, strict=True))
    if value is None:
        raise ValueError(text)
    return value


@dataclass(frozen=True, slots=True)
class Multiple:
    """A multiple of the value that the files of `conf/` set, written `0.5x`."""

    factor: float

    def of(self, value: float, key: str) -> Any:
        """Return the multiple of a value, rounded to 15 digits: 3 x 0.001 is 0.003.

        Raises:
            ValueError: If it is not an allowed value of `key`.
        """
        return parse_value(f"{self.factor * value:.15g}", key)


def parse_override(text: str, key: str) -> Any:
    """Parse the value of `key` on a command line: as `parse_value`, or a `Multiple`.

    Raises:
        ValueError: As `parse_value`.
    """
    return parse_multiple(text, key) or parse_value(text, key)


def parse_multiple(text: str, key: str) -> Multiple | None:
    """Parse `0.5x`; return None if the text is another, or `key` takes no multiples."""
    match = _MULTIPLE.fullmatch(unquote(text))
    return Multiple(float(match[1])) if match and "relative" in KEYS[key].metadata else None


def _split_items(text: str) -> list[str]:
    """Split `[a, 'b']`, `(a, b)` or `a, b`, as typed or as Python prints a list."""
    if text[:1] + text[-1:] in ("[]", "()"):
        text = text[1:-1]
    if not text.strip():
        return []
    items = _ITEM.findall(text.strip().removesuffix(","))[:-1]  # the last match is the empty end
    if "" in items:
        raise ValueError(text)
    return [re.sub(r"\\(.)", r"\1", i[1:-1]) if i[0] in "'\"" else i for i in items]


def unquote(text: str) -> str:
    """Remove one pair of quotes around a text, left by a shell or a file."""
    inner = text[1:-1]
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in inner
    return inner if is_quoted else text


# ---------------------------------------------------------------- descriptions


def choices_of(key: str) -> list[str]:
    """Return the names that `key` chooses from (`task`, `trainer.precision`), if it is a choice."""
    args = get_args(KEYS[key].hint)
    if get_origin(KEYS[key].hint) is Literal:
        return [str(value).lower() if isinstance(value, bool) else value for value in args]
    if args and isinstance(args[1], NameIn):
        return [*args[1].also, *load_conf(args[1].file)]
    return []


def is_list_key(key: str) -> bool:
    """Return whether a value of `key` is a list."""
    return get_origin(KEYS[key].hint) is tuple


def describe_allowed_values(key: str) -> str:
    """Describe the allowed values of `key`, to follow "key takes"."""
    choices = choices_of(key)
    text = f"one of {', '.join(choices)}" if choices else _describe(KEYS[key].hint)
    text += ", or several joined by +" if _joins_names(key) else ""
    return text + (", or null" if KEYS[key].optional else "")


def describe_allowed_overrides(key: str) -> str:
    """Describe the allowed values of `key` on a command line, to follow "key takes"."""
    is_relative = "relative" in KEYS[key].metadata
    multiple = ", or a multiple of the value in conf/, such as 0.5x" if is_relative else ""
    return describe_allowed_values(key) + multiple


def _describe(hint: Any) -> str:
    args = get_args(hint)
    if get_origin(hint) is Annotated:
        return f"{_describe(args[0])} {args[1].text}"
    if get_origin(hint) is tuple:
        number = "" if args[1] is ... else f"{len(args)} "
        return f"a list of {number}values, each {_describe(args[0])}"
    return {bool: "true or false", int: "an integer", float: "a number", str: "text"}[hint]


def _joins_names(key: str) -> bool:
    args = get_args(KEYS[key].hint)
    return bool(args) and isinstance(args[-1], NameIn) and args[-1].several


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean X?` for the closest valid name, or an empty text.

    The last part of a key is enough: `lr` suggests `optimizer.lr`.
    """
    leaf = {full: full.rpartition(".")[2] for full in valid}
    name = name.strip().lower()
    last = name.rpartition(".")[2]
    near = [full for full in leaf if leaf[full] == last]
    near = near or get_close_matches(name, leaf, n=2, cutoff=0.7)
    if not near:
        close = get_close_matches(last, leaf.values(), n=1, cutoff=0.7)
        near = [full for full in leaf if leaf[full] in close]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def describe_unknown_key(key: str) -> str:
    """Describe what is wrong with a key that does not exist."""
    if key in RETIRED_KEYS:
        return f"{key} no longer exists: {RETIRED_KEYS[key]}"
    inside = [name for name in KEYS if name.startswith(f"{key}.")]
    if inside:
        return f"{key} is a group; its keys are {', '.join(inside)}"
    return f"unknown key {key}" + (did_you_mean(key, KEYS) or "; see `stablebert train --help`")
