"""A line of `history.jsonl`; nothing here imports NumPy, which `train --help` does without."""

from types import NoneType

from stablebert.runs.strict_json import parse_object


def parse_line(line: bytes) -> tuple[int, dict[str, float | None]]:
    """Return the step and the logged numbers of a line; numbers that are not finite are None.

    Raises:
        ValueError: If the line is damaged.
    """
    numbers = parse_object(line)
    step = numbers.pop("step", None)
    if type(step) is not int:
        raise ValueError(f"step={step!r}: expected an integer")
    for name, value in numbers.items():
        if type(value) not in (int, float, NoneType):
            raise ValueError(f"{name}={value!r}: expected a number")
    return step, numbers
