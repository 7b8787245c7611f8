"""Sentences on comparisons of cells, one per row of the table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stablebert.report.analyses.base import Basis
from stablebert.report.cells import Cell, task_title
from stablebert.report.compare import Obstacle
from stablebert.report.sentences import row_name, verdict_sentences

NOT_COMPARED = "not compared on"


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The conclusion of one comparison."""

    cell: Cell
    baseline: Cell
    verdict: str
    """Text before the task, such as `higher on`."""
    detail: str
    """Text after the task, such as `+1.3`."""


def contrast_sentences(
    contrasts: Iterable[Contrast], *, labels: Sequence[str], verdicts: Sequence[str]
) -> list[str]:
    """Return a sentence per row and baseline: `reinit against standard: higher on RTE +1.3.`.

    Args:
        contrasts: Conclusions of all comparisons.
        labels: Parameters that distinguish cells of the same task.
        verdicts: Order of the verdicts, before `NOT_COMPARED`; those without a task are left out.
    """
    findings = (
        (
            f"{row_name(c.cell, labels)} against {row_name(c.baseline, labels)}",
            c.verdict,
            f"{task_title(c.cell.task, c.cell.scale)} {c.detail}",
        )
        for c in contrasts
    )
    return verdict_sentences(findings, [*verdicts, NOT_COMPARED])


def impossible_contrasts(basis: Basis) -> list[Contrast]:
    """Return the comparisons that a report could not make, with their reasons."""
    return [
        Contrast(
            cell=row.cell,
            baseline=row.comparison.baseline,
            verdict=NOT_COMPARED,
            detail=f"({row.comparison.reason})",
        )
        for row in basis.rows
        if isinstance(row.comparison, Obstacle)
    ]


def lack_of_comparisons(basis: Basis) -> str:
    """Return why a report has no comparison with a baseline, empty if it has one."""
    if basis.comparisons():
        return ""
    reasons = [c.detail for c in impossible_contrasts(basis)]
    return (
        f"no cell can be compared with its baseline {reasons[0]}"
        if reasons
        else "needs runs of a method and of its baseline"
    )
