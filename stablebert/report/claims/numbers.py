"""Numbers that an analysis of a report has already computed."""

from stablebert.report.analyses.base import Number
from stablebert.report.statistics.scores import Interval


def interval_of(number: Number) -> Interval:
    """Return the value of a number that has an interval."""
    if not isinstance(number.value, Interval):
        raise TypeError(f"{number.quantity} is {number.value!r}, not an interval")
    return number.value


def float_of(number: Number) -> float:
    """Return the value of a number that has no interval."""
    if not isinstance(number.value, float | int):
        raise TypeError(f"{number.quantity} is {number.value!r}, not a single number")
    return float(number.value)
