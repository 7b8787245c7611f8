"""Student's t from the means and deviations that a table prints."""

from math import copysign, inf, sqrt
from typing import NamedTuple


class PrintedScore(NamedTuple):
    """A cell's score as a table prints it."""

    mean: float
    sd: float
    n: int


def t_from_printed(first, second):
    """Student's t of first mean minus second mean, with pooled variance."""
    squares = (first.n - 1) * first.sd**2 + (second.n - 1) * second.sd**2
    variance = squares / (first.n + second.n - 2)
    difference, error = first.mean - second.mean, sqrt(variance * (1 / first.n + 1 / second.n))
    return difference / error if error else copysign(inf, difference)


def t_range_from_printed(first, second, half_unit=0.05):
    """The lowest and highest t of unrounded numbers that print like these."""
    ts = []
    for shift in (-half_unit, half_unit):
        for widen in (-half_unit, half_unit):
            low = PrintedScore(first.mean + shift, max(first.sd + widen, 0.0), first.n)
            high = PrintedScore(second.mean - shift, max(second.sd + widen, 0.0), second.n)
            ts.append(t_from_printed(low, high))
    return min(ts), max(ts)
