"""Comparisons of a table's cells with the baseline of their task, and with its best cell.

One rule decides what a report claims: two-sided tests with Holm's correction, so that a report on
equal cells makes a claim with probability `ALPHA` at most. Only complete cells with the same seeds
are judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from stablebert.report.cells import MODEL, Cell, parameter_text, varying_parameters
from stablebert.report.join import CellResult
from stablebert.report.statistics import scores as stats
from stablebert.text import count_of

Score = Literal["test", "val"]
FAMILIES = 2
"""Families of tests that share `ALPHA`: means and spreads."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Test scores of a cell against those of its baseline."""

    baseline: Cell
    difference: stats.Interval
    """Difference of means, cell minus baseline, x 100."""
    p_student: float
    """One-tailed p-value of Student's test for a higher mean, the paper's test."""
    p_welch: float
    """Two-sided p-value of Welch's test."""
    p_holm: float
    """`p_welch` after the correction over all comparisons of the table."""
    improvement: float
    """Probability that a run of the cell beats a run of the baseline."""
    sd_ratio: float
    p_sd: float
    """Two-sided p-value of the Brown-Forsythe test."""
    p_sd_holm: float
    """`p_sd` after the correction over all comparisons of the table."""
    is_wider: bool
    """True if runs of the cell are farther from their median than those of the baseline."""
    detectable: float
    """Smallest true difference that the first of the corrected tests would detect, x 100."""

    @property
    def mean_verdict(self) -> str:
        """`higher`, `lower`, or empty if the difference of means is not significant."""
        if self.p_holm >= stats.ALPHA:
            return ""
        return "higher" if self.difference.value > 0 else "lower"

    @property
    def spread_verdict(self) -> str:
        """`larger`, `smaller`, or empty if the difference of spreads is not significant."""
        if self.p_sd_holm >= stats.ALPHA:
            return ""
        return "larger" if self.is_wider else "smaller"


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """The reason why a cell cannot be compared with its baseline."""

    baseline: Cell
    reason: str


@dataclass(frozen=True, kw_only=True)
class AnalyzedCell:
    """A row of a report: the result of a cell, and how it compares with the others."""

    result: CellResult
    comparison: Comparison | Obstacle | None
    """None if the cell is the baseline, has none, or has no runs."""
    marked: bool
    """True for the best cell of its task and for cells not significantly worse: printed bold."""
    marked_by_paper: bool
    """The same by the paper's rule, which corrects nothing."""

    @property
    def cell(self) -> Cell:
        """The cell itself."""
        return self.result.cell


def analyze_cells(results: Sequence[CellResult], *, mark_by: Score) -> list[AnalyzedCell]:
    """Compare every cell with its baseline and with the best cell of its task.

    Args:
        results: All cells of a table.
        mark_by: The score that decides which cells are marked.
    """
    return [
        AnalyzedCell(result=r, comparison=c, marked=m, marked_by_paper=p)
        for r, c, m, p in zip(
            results,
            compare_with_baselines(results),
            mark_best_cells(results, by=mark_by),
            mark_as_in_paper(results, by=mark_by),
            strict=True,
        )
    ]


# ---------------------------------------------------------------- cells that can be judged


def shortcoming(result: CellResult) -> str:
    """Return why no verdict can rest on a cell, empty if one can."""
    cell, n = result.cell, result.n
    if result.pruned:
        return f"{count_of(n, 'run')} selected by seed pruning"
    if result.missing:
        return f"{n} of {count_of(len(cell.seeds), 'run')}"
    if cell.open_settings:
        settings = count_of(cell.settings, "setting")
        return f"runs missing in {cell.open_settings} of {settings} of its search"
    return f"{count_of(n, 'run')}, fewer than {stats.MIN_RUNS}" if n < stats.MIN_RUNS else ""


def obstacle_between(base: CellResult, other: CellResult) -> str:
    """Return why two cells cannot be compared, empty if they can."""
    if reason := shortcoming(other):
        return reason
    if reason := shortcoming(base):
        return f"baseline: {reason}"
    return "" if base.cell.seeds == other.cell.seeds else "other seeds than the baseline"


# ---------------------------------------------------------------- comparisons with baselines


def compare_with_baselines(results: Sequence[CellResult]) -> list[Comparison | Obstacle | None]:
    """Compare every cell with its baseline.

    Returns:
        One entry per cell, None if it is the baseline, has none, or has no runs.
    """
    cells = [result.cell for result in results]
    parameters = varying_parameters(cells)
    by_cell = {id(result.cell): result for result in results}
    entries: list[CellResult | Obstacle | None] = []
    for result in results:
        baseline = baseline_of(result.cell, cells, parameters)
        if baseline is None or baseline is result.cell or not result.n:
            entries.append(None)
            continue
        base = by_cell[id(baseline)]
        reason = obstacle_between(base, result)
        entries.append(Obstacle(baseline=baseline, reason=reason) if reason else base)
    pairs = [(e, r) for e, r in zip(entries, results, strict=True) if isinstance(e, CellResult)]
    comparisons = iter(compare_pairs(pairs))
    return [next(comparisons) if isinstance(e, CellResult) else e for e in entries]


def baseline_of(cell: Cell, cells: Sequence[Cell], parameters: Sequence[str]) -> Cell | None:
    """Return the cell that a cell is compared with, None if the table has none.

    The baseline is `standard`, with three epochs if present, of the same task, scale, and other
    parameters; those of the cell's own method, such as `reinit.num_layers`, may differ. Where the
    table compares only `standard` and `bert_adam`, it is `bert_adam`: the paper's claim is that
    bias correction improves.

    Args:
        cell: The cell to compare.
        cells: All cells of the table.
        parameters: Parameters that vary in the table.
    """
    only_bias_correction = {c.method for c in cells} == {"bert_adam", "standard"}
    method = "bert_adam" if only_bias_correction else "standard"

    def differences(c: Cell) -> list[str]:
        return [key for key in parameters if parameter_text(c, key) != parameter_text(cell, key)]

    candidates = [
        c
        for c in cells
        if (c.method, c.task, c.scale) == (method, cell.task, cell.scale)
        and all(key.startswith(f"{cell.method}.") for key in differences(c))
    ]
    return min(candidates, key=lambda c: (len(differences(c)), c.length != "3epochs"), default=None)


def compare_pairs(pairs: Sequence[tuple[CellResult, CellResult]]) -> list[Comparison]:
    """Compare pairs of a baseline and another cell, and correct over all of them.

    Args:
        pairs: Results of a baseline and of a cell, without an obstacle between them.
    """
    means = [stats.welch_test(a.test, b.test) for a, b in pairs]
    spreads = [stats.brown_forsythe_test(a.test, b.test) for a, b in pairs]
    p_holm = adjust_p_values([test.p for test in means], pairs)
    p_sd = [test.p for test in spreads]
    for i, p in enumerate(adjust_p_values(p_sd, pairs)):
        if p < stats.ALPHA:  # only a verdict is worth the time
            a, b = pairs[i]
            p_sd[i] = max(p_sd[i], stats.spread_permutation_test(a.test, b.test, seed=0))
    p_sd_holm = adjust_p_values(p_sd, pairs)
    return [
        Comparison(
            baseline=a.cell,
            difference=stats.mean_difference(a.test, b.test),
            p_student=stats.student_test(a.test, b.test),
            p_welch=mean.p,
            p_holm=p_holm[i],
            improvement=stats.probability_of_improvement(a.test, b.test),
            sd_ratio=stats.spread_ratio(a.test, b.test),
            p_sd=p_sd[i],
            p_sd_holm=p_sd_holm[i],
            is_wider=spread.t > 0,
            detectable=stats.detectable_difference(
                a.test, b.test, alpha=stats.ALPHA / (FAMILIES * len(pairs) * _settings(a, b))
            ),
        )
        for i, ((a, b), mean, spread) in enumerate(zip(pairs, means, spreads, strict=True))
    ]


def adjust_p_values(
    p: Sequence[float],
    pairs: Sequence[tuple[CellResult, CellResult]],
    *,
    families: int = FAMILIES,
) -> list[float]:
    """Return p-values of a family of pairs with Holm's correction, times the number of families.

    That of a cell whose setting validation selected among k is multiplied by k first: each of the
    k could have been selected.
    """
    factors = [_settings(*pair) for pair in pairs]
    adjusted = stats.holm_adjust(np.minimum(1, np.multiply(p, factors)))
    return [min(1.0, families * x) for x in adjusted.tolist()]


def _settings(a: CellResult, b: CellResult) -> int:
    return a.cell.settings * b.cell.settings


# ---------------------------------------------------------------- marks


def mark_best_cells(results: Sequence[CellResult], *, by: Score) -> list[bool]:
    """Return which cells are the best of their task and model, or not significantly worse.

    Welch's test with Holm's correction over all pairs of cells that share task and model, because
    any of these pairs may turn out to be the best cell and a worse one.

    Args:
        results: All cells of a table.
        by: The score to judge.
    """
    scores = _scores(results, by)
    groups = _groups_to_mark(results)
    pairs = [pair for group in groups for pair in combinations(group, 2)]
    p = adjust_p_values(
        [stats.welch_test(scores[i], scores[j]).p for i, j in pairs],
        [(results[i], results[j]) for i, j in pairs],
    )
    worse = {pair for pair, p_holm in zip(pairs, p, strict=True) if p_holm < stats.ALPHA}
    marks = [False] * len(results)
    for group in groups:
        best = max(group, key=lambda i: scores[i].mean())
        for i in group:
            marks[i] = (min(i, best), max(i, best)) not in worse
    return marks


def mark_as_in_paper(results: Sequence[CellResult], *, by: Score) -> list[bool]:
    """Return which cells the paper's uncorrected rule would mark."""
    scores = _scores(results, by)
    marks = [False] * len(results)
    for group in _groups_to_mark(results):
        group_marks = stats.marks_of_the_paper([scores[i] for i in group])
        for i, marked in zip(group, group_marks, strict=True):
            marks[i] = marked
    return marks


def _scores(results: Sequence[CellResult], by: Score) -> list[stats.FloatArray]:
    return [result.val if by == "val" else result.test for result in results]


def _groups_to_mark(results: Sequence[CellResult]) -> list[list[int]]:
    """Return the positions of cells that share task and model, if all with runs can be judged."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, result in enumerate(results):
        cell = result.cell
        if result.n:
            group = (cell.task, cell.scale, parameter_text(cell, MODEL))
            groups.setdefault(group, []).append(i)
    return [
        group
        for group in groups.values()
        if len(group) > 1
        and not any(shortcoming(results[i]) for i in group)
        and len({results[i].cell.seeds for i in group}) == 1
    ]
