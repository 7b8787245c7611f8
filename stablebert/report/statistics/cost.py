"""Cost of instability: how many runs, and hours, it takes to reach a score."""

from dataclasses import dataclass
from math import ceil, inf, log1p

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from stablebert.report.statistics.scores import Interval, as_scores


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Number of runs and hours to reach a target with a given confidence."""

    n: int
    """Number of runs that the estimates are from."""
    successes: int
    """Runs among them that reach the target."""
    probability: Interval
    """Probability that one run reaches it, with the Clopper-Pearson interval."""
    runs: Interval
    """Smallest number of runs of which at least one reaches the target with the given confidence,
    infinite if no run does. The ends are those of the ends of `probability`."""
    hours: Interval
    """`runs` times the mean duration of a run, one run at a time."""


def cost_of_target(
    validation: ArrayLike,
    seconds: ArrayLike,
    *,
    target: float,
    confidence: float = 0.95,
    level: float = 0.95,
) -> Cost:
    """Return the number of runs and hours to reach a validation score.

    Of k independent runs at least one reaches the target with probability 1 - (1 - p)^k, so
    k = ceil(log(1 - confidence) / log(1 - p)), where p is the share of runs that reach it. The
    duration is the mean of all runs, failed ones included, and the interval of `hours` treats it as
    known.

    Args:
        validation: Validation score of each run, shape `(n,)`.
        seconds: Duration of each run, shape `(n,)`.
        target: Score that a run must reach, in the unit of the scores. It should not be the
            best of these runs: then p is 1 / n or more by construction.
        confidence: Probability that at least one of k runs reaches the target.
        level: Coverage of the intervals.

    Raises:
        ValueError: If numbers of scores and durations differ, one of them is not finite, or a
            duration is negative.
    """
    scores, durations = as_scores(validation), as_scores(seconds)
    if len(scores) != len(durations):
        raise ValueError(f"{len(scores)} validation scores but {len(durations)} durations")
    if durations.min() < 0:
        raise ValueError(f"a run took {durations.min()} seconds; durations cannot be negative")
    successes = int(np.sum(scores >= target - 1e-9))  # equal up to rounding is enough
    probability = clopper_pearson(successes, len(scores), level=level)
    ends = (probability.value, probability.high, probability.low)
    value, low, high = (runs_until_success(p, confidence) for p in ends)
    hours = float(durations.mean()) / 3600
    return Cost(
        n=len(scores),
        successes=successes,
        probability=probability,
        runs=Interval(value=value, low=low, high=high),
        hours=Interval(value=value * hours, low=low * hours, high=high * hours),
    )


def runs_until_success(p: float, confidence: float = 0.95) -> float:
    """Return the smallest k with 1 - (1 - p)^k >= confidence: infinity for p = 0, 1 for p = 1.

    Raises:
        ValueError: If p is not in 0..1, or the confidence is not between 0 and 1.
    """
    if not (0 <= p <= 1 and 0 < confidence < 1):
        raise ValueError(f"p={p}, confidence={confidence}: p must be in 0..1, confidence between")
    if p in (0, 1):
        return 1.0 if p else inf
    return float(max(1, ceil(log1p(-confidence) / log1p(-p) - 1e-9)))


def clopper_pearson(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Return a share of n independent trials with its exact interval.

    The ends are the quantiles (1 - level) / 2 of Beta(x, n - x + 1) and (1 + level) / 2 of
    Beta(x + 1, n - x) for x successes; 0 if x = 0, and 1 if x = n. Its coverage is `level` or more
    for every true probability.

    References:
        Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of
        the Binomial", Biometrika 26, 1934.
    """
    if not (n >= 1 and 0 <= successes <= n):
        raise ValueError(f"{successes} successes in {n} trials; need 0..n successes and n >= 1")
    tail, failures = (1 - level) / 2, n - successes
    return Interval(
        value=successes / n,
        low=float(special.betaincinv(successes, failures + 1, tail)) if successes else 0.0,
        high=float(special.betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0,
    )
