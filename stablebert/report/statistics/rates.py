"""Scores against the learning rate: an optimizer's best rate, and how much the rate matters."""

from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import ArrayLike

from stablebert.report.statistics.scores import as_scores

ONE_POINT = 0.01
"""One point of a score in 0..1."""


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """An optimizer's best learning rate, and the rates around it that are about as good."""

    rates: list[float]
    """Rates of the grid, ascending."""
    best: float
    """Rate with the highest mean, the smallest of equal ones."""
    low: float
    """Lowest rate of the good range: all rates from `low` to `high` have a mean within the
    tolerance of the best mean."""
    high: float

    @property
    def octaves(self) -> float:
        """Width of the good range, log2(high / low): 3 if rates may differ by a factor of 8.

        0 if only the best rate is in it. The true width is larger by less than one step of the grid
        at either end, unless that end is the edge of the grid.
        """
        return log2(self.high / self.low)

    @property
    def best_is_at_edge(self) -> bool:
        """True if the best rate is the lowest or highest: a better one may be outside the grid."""
        return self.best in (self.rates[0], self.rates[-1])

    @property
    def low_is_at_edge(self) -> bool:
        """True if the good range begins with the lowest rate: it may begin below the grid."""
        return self.low == self.rates[0]

    @property
    def high_is_at_edge(self) -> bool:
        """True if the good range ends with the highest rate: it may end above the grid."""
        return self.high == self.rates[-1]


def rate_curve(
    rates: ArrayLike, validation: ArrayLike, *, tolerance: float = ONE_POINT
) -> RateCurve:
    """Return one optimizer's best learning rate and the range of rates that are about as good.

    The range grows from the best rate in both directions while the mean validation score is at
    least the best mean less the tolerance. A good rate beyond a bad one does not count.

    Args:
        rates: Learning rate of each run, shape `(n,)`.
        validation: Validation score of each run, failed ones included, shape `(n,)`.
        tolerance: Loss of mean score that does not matter, in the unit of the scores.

    Raises:
        ValueError: If the shapes differ, a score is not finite, a rate is not positive, all rates
            are equal, or the tolerance is negative.
    """
    x, scores = as_scores(rates), as_scores(validation)
    if len(x) != len(scores):
        raise ValueError(f"{len(x)} rates but {len(scores)} validation scores")
    grid = np.unique(x)
    if len(grid) < 2 or grid[0] <= 0:
        raise ValueError(f"rates are {grid.tolist()}; need two or more, all of them positive")
    if tolerance < 0:
        raise ValueError(f"tolerance={tolerance}: must be 0 or more, in the unit of the scores")
    means = np.array([scores[x == rate].mean() for rate in grid])
    best = int(np.argmax(means >= means.max() - 1e-12))  # the first of equal means
    good = means >= means[best] - tolerance - 1e-12
    low = high = best
    while low > 0 and good[low - 1]:
        low -= 1
    while high < len(grid) - 1 and good[high + 1]:
        high += 1
    steps: list[float] = grid.tolist()
    return RateCurve(rates=steps, best=steps[best], low=steps[low], high=steps[high])
