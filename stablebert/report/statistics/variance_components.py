"""Two sources of randomness: which part of the variance comes from which seed.

Layout: `scores[i, j]`, shape `(I, J)`, is the score of the run with the i-th `seed_init` (head and
re-initialized layers) and the j-th `seed_data` (order, dropout, and mixout masks). Model, two-way
random effects without replication: x_ij = mu + A_i + B_j + E_ij, all parts independent.

With one run per cell, the interaction of both seeds and what neither explains are one component,
the residual. A run is a function of its two seeds where training is deterministic, and then all of
the residual is interaction.
"""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from stablebert.report.statistics.bootstrap import bca_interval_of
from stablebert.report.statistics.scores import MIN_RUNS, FloatArray, Interval, as_scores


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Scores by both seeds."""

    seed_init: list[int]
    """Seeds of the rows, ascending."""
    seed_data: list[int]
    """Seeds of the columns, ascending."""
    scores: FloatArray
    """Shape `(I, J)`."""


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Means and sample standard deviations while one seed is fixed and the other varies."""

    means: FloatArray
    """Shape `(levels,)`, one per value of the fixed seed."""
    sds: FloatArray
    """Shape `(levels,)`."""


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Margins of the paper's Figures 9 and 10."""

    init: Margin
    """Rows: `seed_init` is fixed."""
    data: Margin
    """Columns: `seed_data` is fixed."""
    mean: float
    best: float
    worst: float


@dataclass(frozen=True, kw_only=True)
class Component:
    """Variance of one part of the scores."""

    estimate: float
    """Unbiased estimate, negative if the part's mean square is below the residual's by chance."""
    variance: Interval
    """The estimate with its interval, all of them 0 where they would be negative."""
    share: float
    """Part of the sum of the three variances, NaN if no score varies."""

    @property
    def sd(self) -> Interval:
        """Standard deviation, in the unit of the scores."""
        v = self.variance
        return Interval(value=sqrt(v.value), low=sqrt(v.low), high=sqrt(v.high))


@dataclass(frozen=True, kw_only=True)
class VarianceComponents:
    """Variances of the two-way random-effects model."""

    init: Component
    data: Component
    residual: Component
    """Interaction of both seeds, and anything that neither of them determines."""
    p_init: float
    """P-value of the F-test that `seed_init` has no effect of its own."""
    p_data: float
    """P-value of the F-test that `seed_data` has no effect of its own."""


def arrange_scores(seed_init: ArrayLike, seed_data: ArrayLike, scores: ArrayLike) -> Layout:
    """Return the scores of runs by both seeds.

    Args:
        seed_init: `seed_init` of each run, shape `(n,)`.
        seed_data: `seed_data` of each run, shape `(n,)`.
        scores: Score of each run, shape `(n,)`.

    Raises:
        ValueError: If a combination of the seeds has no run or several, or a score is not finite.
    """
    x, init, data = as_scores(scores), np.asarray(seed_init), np.asarray(seed_data)
    if not len(x) == len(init) == len(data):
        raise ValueError(f"{len(init)} seed_init, {len(data)} seed_data, and {len(x)} scores")
    rows, i = np.unique(init, return_inverse=True)
    columns, j = np.unique(data, return_inverse=True)
    counts = np.zeros((len(rows), len(columns)), dtype=np.int64)
    np.add.at(counts, (i, j), 1)
    for problem, cells in (("no run", counts == 0), ("several runs", counts > 1)):
        if cells.any():
            pairs = [f"({rows[r]}, {columns[c]})" for r, c in np.argwhere(cells)]
            more = f" and {len(pairs) - 10} more" if len(pairs) > 10 else ""
            raise ValueError(
                f"{problem} for (seed_init, seed_data) = {', '.join(pairs[:10])}{more}; need one"
                " run for each combination"
            )
    table = np.empty(counts.shape)
    table[i, j] = x
    return Layout(seed_init=rows.tolist(), seed_data=columns.tolist(), scores=table)


def margins(scores: ArrayLike) -> Margins:
    """Return mean and sample standard deviation of each row and column of `(I, J)` scores.

    The paper's Figure 9 prints scores and means, and Figure 10 the standard deviations.
    """
    x = _as_table(scores, at_least=2)
    init, data = (Margin(means=t.mean(axis=1), sds=t.std(axis=1, ddof=1)) for t in (x, x.T))
    return Margins(
        init=init, data=data, mean=float(x.mean()), best=float(x.max()), worst=float(x.min())
    )


def variance_components(
    scores: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> VarianceComponents:
    """Return the variances of both seeds' effects and of the residual.

    Expected mean squares: E[MS_init] = J var_init + var_res, E[MS_data] = I var_data + var_res,
    E[MS_res] = var_res, so var_init = (MS_init - MS_res) / J and var_data = (MS_data - MS_res) / I.
    The F-tests compare MS_init / MS_res and MS_data / MS_res with F of I - 1 or J - 1 and
    (I - 1)(J - 1) degrees of freedom; they assume normal effects, the estimates do not.

    The BCa intervals resample the rows and, independently, the columns. A level drawn twice would
    make the residual look smaller, and the effects larger, so the estimates in a bootstrap sample
    compare different levels only.

    Args:
        scores: One score per pair of seeds, shape `(I, J)`, `MIN_RUNS` levels or more of each.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap samples.
        level: Coverage of the intervals.

    Raises:
        ValueError: If the scores have another shape or a score is not finite.

    References:
        Searle, Casella, and McCulloch, "Variance Components", 1992, chapter 4. Owen, "The
        Pigeonhole Bootstrap", Annals of Applied Statistics 1, 2007,
        https://arxiv.org/abs/0712.1111
    """
    x = _as_table(scores, at_least=MIN_RUNS)
    rows, columns = x.shape
    rng = np.random.default_rng(seed)
    copies = [rng.multinomial(n, np.full(n, 1 / n), resamples).astype(np.float64) for n in x.shape]
    usable = np.all([c.max(axis=1) < c.shape[1] for c in copies], axis=0)  # two levels or more
    samples = _estimates(x, copies[0][usable], copies[1][usable])
    estimates = _estimates(x, np.ones((1, rows)), np.ones((1, columns)))[:, 0]
    influences = (
        _influences(_estimates(x, 1 - np.eye(rows), np.ones((rows, columns)))),
        _influences(_estimates(x, np.ones((columns, rows)), 1 - np.eye(columns))),
    )
    intervals = [
        bca_interval_of(float(estimates[k]), samples[k], [part[k] for part in influences], level)
        for k in range(3)
    ]
    total = float(np.maximum(estimates, 0).sum())
    init, data, residual = (_component(interval, total) for interval in intervals)
    return VarianceComponents(
        init=init,
        data=data,
        residual=residual,
        p_init=_f_test(init.estimate, residual.estimate, rows, columns),
        p_data=_f_test(data.estimate, residual.estimate, columns, rows),
    )


def _as_table(scores: ArrayLike, at_least: int) -> FloatArray:
    x = np.asarray(scores, dtype=np.float64)
    if x.ndim != 2 or min(x.shape) < at_least:
        raise ValueError(
            f"scores have shape {x.shape}; need (seed_init, seed_data) with at least {at_least} of"
            " each"
        )
    if missing := [f"({i}, {j})" for i, j in np.argwhere(~np.isfinite(x))]:
        raise ValueError(f"scores at {', '.join(missing)} are not finite; need one for each pair")
    return x


def _estimates(x: FloatArray, row_copies: FloatArray, column_copies: FloatArray) -> FloatArray:
    """Return the variances of init, data, and residual of resampled tables, shape `(3, m)`.

    They are averages over pairs of different rows h, i and of different columns j, k, each counted
    as often as it was drawn: of (x_hj - x_ij)(x_hk - x_ik) / 2 for init, (x_hj - x_hk)(x_ij - x_ik)
    / 2 for data, and (x_hj - x_hk - x_ij + x_ik)^2 / 4 for the residual. Of the table as it is,
    these are the estimates by mean squares.

    Args:
        x: Scores, shape `(I, J)`.
        row_copies: Number of copies of each row, shape `(m, I)`.
        column_copies: Number of copies of each column, shape `(m, J)`.
    """
    h, i = np.triu_indices(len(x), 1)
    j, k = np.triu_indices(x.shape[1], 1)
    hj, hk, ij, ik = x[h][:, j], x[h][:, k], x[i][:, j], x[i][:, k]  # (row pairs, column pairs)
    terms = (hj - ij) * (hk - ik) / 2, (hj - hk) * (ij - ik) / 2, (hj - hk - ij + ik) ** 2 / 4
    rows, columns = row_copies[:, h] * row_copies[:, i], column_copies[:, j] * column_copies[:, k]
    pairs = rows.sum(axis=1) * columns.sum(axis=1)
    return np.stack([((rows @ term) * columns).sum(axis=1) / pairs for term in terms])


def _influences(without_one: FloatArray) -> FloatArray:
    """Return jackknife influences of estimates without one level each, shape `(3, levels)`."""
    levels: int = without_one.shape[1]
    mean: FloatArray = without_one.mean(axis=1, keepdims=True)
    return (mean - without_one) * (1 - 1 / levels)


def _component(estimate: Interval, total: float) -> Component:
    value, low, high = (max(x, 0.0) for x in (estimate.value, estimate.low, estimate.high))
    return Component(
        estimate=estimate.value,
        variance=Interval(value=value, low=low, high=high),
        share=value / total if total else nan,
    )


def _f_test(effect: float, residual: float, levels: int, others: int) -> float:
    """Return P(F > MS_effect / MS_residual); 0 or 1 if there is no residual."""
    if residual == 0:
        return float(effect == 0)
    ratio = max(others * effect + residual, 0.0) / residual
    return float(special.fdtrc(levels - 1, (levels - 1) * (others - 1), ratio))
