"""Comparisons of a table's cells with the baseline of their task, and with its best cell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Literal

from stablebert.report import statistics as stats
from stablebert.report.cells import MODEL, Cell, parameter_text, varying_parameters
from stablebert.report.join import CellResult

Score = Literal["test", "val"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Test scores of a cell against those of its baseline; p-values are one-tailed."""

    baseline: Cell
    difference: stats.Interval
    """Difference of means, cell minus baseline, x 100."""
    p_student: float
    """p-value of Student's test for a higher mean, the paper's test."""
    p_welch: float
    """p-value of Welch's test for a higher mean."""
    improvement: float
    """Probability that a run of the cell beats a run of the baseline."""
    sd_ratio: float
    p_sd: float
    """p-value of the Brown-Forsythe test for a smaller spread, NaN below five runs."""
    detectable: float
    """Smallest true difference that these numbers of runs would detect, x 100."""
    p_holm: float = nan
    """`p_welch` after Holm's correction over all comparisons of the table."""
    p_sd_holm: float = nan
    """`p_sd` after Holm's correction over all comparisons of the table."""


@dataclass(frozen=True, kw_only=True)
class AnalyzedCell:
    """A row of a report: the result of a cell, and how it compares with the others."""

    result: CellResult
    comparison: Comparison | None
    """None if the cell is the baseline, has none, or either has fewer than two runs."""
    marked: bool
    """True for the best cell of its task and for cells not significantly worse: printed bold."""

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
    comparisons = compare_with_baselines(results)
    marks = mark_best_cells(results, by=mark_by)
    return [
        AnalyzedCell(result=result, comparison=comparison, marked=marked)
        for result, comparison, marked in zip(results, comparisons, marks, strict=True)
    ]


def compare_with_baselines(results: Sequence[CellResult]) -> list[Comparison | None]:
    """Compare every cell with its baseline, with Holm's correction over all comparisons.

    Returns:
        One entry per cell, None if it cannot be compared.
    """
    cells = [result.cell for result in results]
    parameters = varying_parameters(cells)
    comparisons: list[Comparison | None] = []
    for result in results:
        baseline = baseline_of(result.cell, cells, parameters)
        base = next((r for r in results if r.cell is baseline), None)
        testable = base is not None and base is not result and min(base.n, result.n) > 1
        comparisons.append(_compare(base, result) if base is not None and testable else None)
    tests = [c for c in comparisons if c]
    p_holm = iter(stats.holm_adjust([c.p_welch for c in tests]).tolist())
    p_sd_holm = iter(stats.holm_adjust([c.p_sd for c in tests if not isnan(c.p_sd)]).tolist())
    return [
        replace(c, p_holm=next(p_holm), p_sd_holm=nan if isnan(c.p_sd) else next(p_sd_holm))
        if c
        else None
        for c in comparisons
    ]


def baseline_of(cell: Cell, cells: Sequence[Cell], parameters: Sequence[str]) -> Cell | None:
    """Return the cell that a cell is compared with, None if the table has none.

    The baseline is `standard`, with three epochs if present, of the same task, scale, and other
    parameters. Where the table compares only `standard` and `bert_adam`, it is `bert_adam`: the
    paper's claim is that bias correction improves.

    Args:
        cell: The cell to compare.
        cells: All cells of the table.
        parameters: Parameters that vary in the table, which cell and baseline share.
    """
    only_bias_correction = {c.method for c in cells} == {"bert_adam", "standard"}
    method = "bert_adam" if only_bias_correction else "standard"
    candidates = [
        c
        for c in cells
        if (c.method, c.task, c.scale) == (method, cell.task, cell.scale)
        and all(parameter_text(c, key) == parameter_text(cell, key) for key in parameters)
    ]
    return min(candidates, key=lambda c: c.length != "3epochs", default=None)


def _compare(base: CellResult, other: CellResult) -> Comparison:
    a, b = base.test, other.test
    sd_ratio, p_sd = stats.brown_forsythe_test(a, b)
    return Comparison(
        baseline=base.cell,
        difference=stats.mean_difference(a, b),
        p_student=stats.student_test(a, b),
        p_welch=stats.welch_test(a, b),
        improvement=stats.probability_of_improvement(a, b),
        sd_ratio=sd_ratio,
        p_sd=p_sd,
        detectable=stats.detectable_difference(a, b),
    )


def mark_best_cells(results: Sequence[CellResult], *, by: Score) -> list[bool]:
    """Return which cells are the best of their task and model, or not significantly worse.

    The paper's rule, `statistics.not_worse_than_best`. A task is marked only if it has two cells
    or more with runs, and each of these has two runs or more.

    Args:
        results: All cells of a table.
        by: The score to judge.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, result in enumerate(results):
        cell = result.cell
        if result.n:
            group = (cell.task, cell.scale, parameter_text(cell, MODEL))
            groups.setdefault(group, []).append(i)
    marks = [False] * len(results)
    for members in groups.values():
        if len(members) > 1 and all(results[i].n > 1 for i in members):
            scores = [results[i].val if by == "val" else results[i].test for i in members]
            for i, marked in zip(members, stats.not_worse_than_best(scores), strict=True):
                marks[i] = marked
    return marks
