"""Speed of convergence and movement of layers, from the histories of runs.

Zhang et al. (2021), Section 5: with Re-init, training converges faster (Figure 6), and the top
layers move less from where they start (Figures 7 and 15 to 18).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, inf, isnan, nan

import numpy as np

from stablebert.report.statistics.scores import FloatArray
from stablebert.runs.history import History, Series

SHARE = 0.9
"""Share of the final gain over the majority class that a run has to reach."""
MIN_GAIN = 0.05
"""Smallest final gain over the majority class, as a score in 0..1, to compare speeds."""
LAYER_CHANGE = "weight_change/layer_"


@dataclass(frozen=True, kw_only=True)
class SpeedContrast:
    """Steps that the runs of two cells with the same n seeds need to reach one score."""

    target: float
    """The score."""
    a: FloatArray
    """Steps of the baseline's runs, `(n,)`, infinite for runs that never reach the target."""
    b: FloatArray
    """Steps of the other cell's runs on the same seeds."""

    @property
    def faster(self) -> int:
        """Number of seeds with which the other cell needs fewer steps."""
        return int((self.b < self.a).sum())

    @property
    def slower(self) -> int:
        """Number of seeds with which it needs more steps."""
        return int((self.b > self.a).sum())

    @property
    def p(self) -> float:
        """Two-sided p-value of the sign test; seeds with the same number of steps do not count."""
        return sign_test(self.faster, self.slower)


def contrast_speed(a: Sequence[Series], b: Sequence[Series], floor: float) -> SpeedContrast | None:
    """Compare how many steps the runs of two cells need, seed by seed.

    The target is `SHARE` of the way from the majority class's score to the final score: the mean
    over runs at the last step, of the cell in which it is lower, so that both reach it on average.
    Scores are known at validations only, so runs that are faster by less are equal.

    Args:
        a: Validation scores of the baseline's runs.
        b: Validation scores of the other cell's runs, in the same order of seeds.
        floor: Validation score of the majority class; it replaces final scores that are NaN.

    Returns:
        None if the final score of a cell is not `MIN_GAIN` above the floor.

    Raises:
        ValueError: If there are no runs, or not as many in both cells.
    """
    if not a or len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} runs cannot be paired; give one per seed")
    final = min(_final_mean(runs, floor) for runs in (a, b))
    if final < floor + MIN_GAIN:
        return None
    target = floor + SHARE * (final - floor)
    return SpeedContrast(
        target=target,
        a=np.array([steps_to_reach(run, target) for run in a]),
        b=np.array([steps_to_reach(run, target) for run in b]),
    )


def _final_mean(runs: Sequence[Series], floor: float) -> float:
    finals = [float(run.values[-1]) for run in runs]
    return float(np.mean([floor if isnan(score) else score for score in finals]))


def steps_to_reach(series: Series, target: float) -> float:
    """Return the first logged step at which a value is at least the target; infinity if none is."""
    steps = series.steps[series.values >= target]
    return float(steps[0]) if len(steps) else inf


def sign_test(successes: int, failures: int) -> float:
    """Return the two-sided p-value of the hypothesis that both are equally likely.

    Example:
        >>> sign_test(5, 0), sign_test(2, 2)
        (0.0625, 1.0)
    """
    n, k = successes + failures, min(successes, failures)
    return min(1.0, sum(comb(n, i) for i in range(k + 1)) / 2.0 ** (n - 1))


def top_weight_change(history: History, number: int) -> float:
    """Return how far the top layers of the encoder are from their start, at the last logged step.

    The distance is the L2 norm over all parameters of these layers; for re-initialized layers, the
    start is after the re-initialization.

    Args:
        history: History of a run.
        number: Number of layers, counted from the top.

    Returns:
        NaN if the run did not log as many layers.
    """
    names = sorted(name for name in history if name.startswith(LAYER_CHANGE))
    if len(names) < number or number < 1:
        return nan
    return float(np.linalg.norm([float(history[name].values[-1]) for name in names[-number:]]))
