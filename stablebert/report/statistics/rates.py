"""Scores against the learning rate: an optimizer's best rate, and how much the rate matters."""

from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stablebert.report.statistics.scores import FloatArray, as_scores, describe_scores

ONE_POINT = 0.01
"""One point of a score in 0..1."""


@dataclass(frozen=True, kw_only=True)
class RateCell:
    """Runs at one learning rate."""

    rate: float
    n: int
    mean: float
    """Mean validation score."""
    sd: float
    """Sample standard deviation of the validation scores, NaN for one run."""
    failed: int
    """Number of failed runs."""


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """One optimizer's scores over a grid of learning rates."""

    cells: list[RateCell]
    """Ascending by rate."""
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
        return self.best in (self.cells[0].rate, self.cells[-1].rate)

    @property
    def low_is_at_edge(self) -> bool:
        """True if the good range begins with the lowest rate: it may begin below the grid."""
        return self.low == self.cells[0].rate

    @property
    def high_is_at_edge(self) -> bool:
        """True if the good range ends with the highest rate: it may end above the grid."""
        return self.high == self.cells[-1].rate


def rate_curve(
    rates: ArrayLike, validation: ArrayLike, failed: ArrayLike, *, tolerance: float = ONE_POINT
) -> RateCurve:
    """Return one optimizer's best learning rate and the range of rates that are about as good.

    The range grows from the best rate in both directions while the mean validation score is at
    least the best mean less the tolerance. A good rate beyond a bad one does not count.

    Args:
        rates: Learning rate of each run, shape `(n,)`.
        validation: Validation score of each run, shape `(n,)`.
        failed: Nonzero for failed runs, shape `(n,)`. Their scores count like all others.
        tolerance: Loss of mean score that does not matter, in the unit of the scores.

    Raises:
        ValueError: If the shapes differ, a score is not finite, a rate is not positive, all rates
            are equal, or the tolerance is negative.
    """
    x, scores = as_scores(rates), as_scores(validation)
    failures = np.asarray(failed, dtype=bool)
    if not x.shape == scores.shape == failures.shape:
        raise ValueError(
            f"shapes of rates {x.shape}, scores {scores.shape}, and failed {failures.shape} differ"
        )
    grid = np.unique(x)
    if len(grid) < 2 or grid[0] <= 0:
        raise ValueError(f"rates are {grid.tolist()}; need two or more, all of them positive")
    if tolerance < 0:
        raise ValueError(f"tolerance={tolerance}: must be 0 or more, in the unit of the scores")
    cells = [_cell(rate, scores[x == rate], failures[x == rate]) for rate in grid.tolist()]
    means = np.array([cell.mean for cell in cells])
    best = int(np.argmax(means >= means.max() - 1e-12))  # the first of equal means
    good = means >= means[best] - tolerance - 1e-12
    low = high = best
    while low > 0 and good[low - 1]:
        low -= 1
    while high < len(grid) - 1 and good[high + 1]:
        high += 1
    return RateCurve(cells=cells, best=cells[best].rate, low=cells[low].rate, high=cells[high].rate)


def _cell(rate: float, scores: FloatArray, failures: NDArray[np.bool_]) -> RateCell:
    description = describe_scores(scores)
    return RateCell(
        rate=rate,
        n=description.n,
        mean=description.mean,
        sd=description.sd,
        failed=int(failures.sum()),
    )
