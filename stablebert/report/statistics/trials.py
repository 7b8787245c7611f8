"""Comparison of the expected best of few runs of one cell with that of many runs of another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stablebert.report.statistics.bootstrap import bca_interval_of
from stablebert.report.statistics.scores import (
    FloatArray,
    Interval,
    as_scores,
    expected_best_of_k,
)


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Runs of a cell, of which k are tried and the best by validation is taken."""

    validation: FloatArray
    """Validation scores, shape `(n,)`."""
    test: FloatArray
    """Test scores of the same runs, shape `(n,)`."""
    k: int
    """Number of runs tried."""

    @property
    def expected(self) -> float:
        """Expected test score of the best of k runs by validation."""
        return float(expected_best_of_k(self.validation, self.test, self.k)[0][0])


def best_of_k_difference(
    a: Trials, b: Trials, *, seed: int, resamples: int = 8000, level: float = 0.95
) -> Interval:
    """Return the expected best of k runs of `b` minus that of `a`, with its BCa interval.

    Runs of both cells are resampled independently, as in `bootstrap`. The bootstrap knows no score
    beyond the best run, so the interval is too short if k is close to the number of runs.

    Args:
        a: Runs of the baseline, two or more.
        b: Runs of the other cell, two or more.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap samples.
        level: Coverage of the interval.
    """
    rng = np.random.default_rng(seed)
    samples, influences = [], []
    for trials in (a, b):
        n = len(as_scores(trials.test, at_least=2))
        samples.append(_expectations(trials, rng.multinomial(n, np.full(n, 1 / n), resamples)))
        without_one = _expectations(trials, 1 - np.eye(n))
        influences.append((without_one.mean() - without_one) * (1 - 1 / n))
    difference = b.expected - a.expected
    return bca_interval_of(
        difference, samples[1] - samples[0], [-influences[0], influences[1]], level
    )


def _expectations(trials: Trials, copies: NDArray[np.int64] | FloatArray) -> FloatArray:
    """Return the expected test score of the best of k in resampled cells, shape `(m,)`.

    Runs of equal validation scores are selected with equal probability, as in
    `scores.expected_best_of_k`, which this equals for one copy of each run.

    Args:
        trials: The runs.
        copies: Number of copies of each run, shape `(m, n)`.
    """
    levels, level_of_run = np.unique(trials.validation, return_inverse=True)
    is_in_level = np.equal.outer(level_of_run, np.arange(len(levels))).astype(np.float64)  # (n, v)
    runs = copies @ is_in_level  # number of runs per validation score, (m, v)
    up_to = np.cumsum(runs, axis=1) / copies.sum(axis=1, keepdims=True)
    share = np.diff(up_to**trials.k, axis=1, prepend=0.0)
    mean = (copies * trials.test) @ is_in_level / np.maximum(runs, 1)
    expectations: FloatArray = (share * mean).sum(axis=1)
    return expectations
