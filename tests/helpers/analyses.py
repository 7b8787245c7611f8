"""Numbers in the CSV files of analyses."""

from typing import NamedTuple

from tests.helpers.records import read_csv


class CsvNumber(NamedTuple):
    """A line of an analysis's CSV: its value (a text if it is no number) and its interval."""

    value: float | str
    low: float | None
    high: float | None


def numbers_of(path, **conditions):
    """Numbers of the lines that meet all conditions, such as `quantity="n"`."""
    return [
        CsvNumber(*(_number(line[key]) for key in ("value", "low", "high")))
        for line in read_csv(path)
        if all(line[key] == value for key, value in conditions.items())
    ]


def _number(text):
    try:
        return float(text) if text else None
    except ValueError:
        return text
