"""Mean and range over runs of a quantity that they log at the same steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stablebert.report.statistics.scores import FloatArray
from stablebert.runs.history import Series


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A quantity over k steps: its mean, minimum, and maximum over runs.

    Values that are not finite count nowhere; steps at which no value is finite are left out.
    """

    steps: NDArray[np.int32]
    """`(k,)`, ascending."""
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    lowest: NDArray[np.intp]
    """Positions of the runs with the minima, `(k,)`."""
    highest: NDArray[np.intp]
    n: NDArray[np.intp]
    """Numbers of runs with a finite value, `(k,)`."""


def summarize_curves(series: Sequence[Series]) -> Curve:
    """Return mean and range over runs of a quantity.

    Args:
        series: The quantity in each run, at least one.
    """
    steps = np.unique(np.concatenate([run.steps for run in series]))
    values = np.full((len(series), len(steps)), np.nan)
    for row, run in zip(values, series, strict=True):
        row[np.searchsorted(steps, run.steps)] = run.values
    is_finite = np.isfinite(values)
    present = is_finite.any(axis=0)
    steps, values, is_finite = steps[present], values[:, present], is_finite[:, present]
    lowest = np.where(is_finite, values, np.inf).argmin(axis=0)
    highest = np.where(is_finite, values, -np.inf).argmax(axis=0)
    n = is_finite.sum(axis=0)
    columns = np.arange(len(steps))
    return Curve(
        steps=steps,
        mean=np.where(is_finite, values, 0).sum(axis=0) / n,
        low=values[lowest, columns],
        high=values[highest, columns],
        lowest=lowest,
        highest=highest,
        n=n,
    )
