"""Random damage to the text of a JSON file, each kind as an editor, a disk or a user leaves it."""

import random
import re

VALUES = [
    *("null", "true", '"x"', '""', "[]", "{}", "-1", "0", "5.0", "1e999", "NaN", "-Infinity"),
    *("9" * 400, "9" * 5000, "[" * 5000, '{"a":' * 5000, '"\\ud800"', "0.5", "007"),
]
"""Values that JSON or Python accept in places where a record has others."""
_VALUE = re.compile(rb'(?<=": )("[^"]*"|[-\d.e+]+|null)')


def edit_randomly(text: bytes, seed: int) -> bytes:
    """Return a text with one random edit, the same for the same seed."""
    rng = random.Random(seed)
    edit = rng.choice([_digit, _digit, _byte, _bit, _cut, _truncate, _line, _swap, _value, _value])
    return edit(text, rng)


def _digit(text, rng):
    at = rng.choice([m.start() for m in re.finditer(rb"\d", text)])
    return text[:at] + str(rng.randrange(10)).encode() + text[at + 1 :]


def _byte(text, rng):
    at = rng.randrange(len(text))
    return text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]


def _bit(text, rng):
    at = rng.randrange(len(text))
    return text[:at] + bytes([text[at] ^ 1 << rng.randrange(8)]) + text[at + 1 :]


def _cut(text, rng):
    at = rng.randrange(len(text))
    return text[:at] + text[at + rng.randrange(1, 30) :]


def _truncate(text, rng):
    return text[: rng.randrange(len(text))]


def _line(text, rng):
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    return b"".join([*lines[:at], *rng.choice([[], [lines[at]] * 2]), *lines[at + 1 :]])


def _swap(text, rng):
    lines = text.splitlines(keepends=True)
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines)


def _value(text, rng):
    match = rng.choice(list(_VALUE.finditer(text)))
    return text[: match.start()] + rng.choice(VALUES).encode() + text[match.end() :]
