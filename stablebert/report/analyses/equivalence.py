"""Cells that score the same up to a margin: precisions, or methods and their baselines."""

from collections.abc import Sequence
from dataclasses import dataclass

from stablebert.config.values import parse_value
from stablebert.report.analyses.base import Analysis, Basis, Findings, Number, numbers_by_name
from stablebert.report.analyses.contrasts import NOT_COMPARED, Contrast, contrast_sentences
from stablebert.report.cells import Cell, identity_of, parameter_text, varying_parameters
from stablebert.report.compare import FAMILIES, adjust_p_values, obstacle_between
from stablebert.report.join import CellResult
from stablebert.report.render import Entry, Table
from stablebert.report.sentences import row_name
from stablebert.report.statistics.equivalence import (
    Equivalence,
    paired_equivalence,
    welch_equivalence,
)
from stablebert.report.statistics.scores import ALPHA
from stablebert.report.tables import format_interval, format_p, label_entries
from stablebert.text import count_of

_PRECISION = "trainer.precision"
_PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "auto")
"""Precisions in the order in which they are baselines."""
Pair = tuple[CellResult, CellResult]
"""Results of a baseline and of a cell."""


@dataclass(frozen=True, kw_only=True)
class _Test:
    """A cell tested for equivalence with its baseline."""

    base: CellResult
    other: CellResult
    welch: Equivalence
    paired: Equivalence
    p_holm: float
    """P-value of equivalence by the Welch tests after the correction."""
    p_paired_holm: float
    p_zero_holm: float
    """P-value of Welch's test of no difference after the correction."""

    @property
    def verdict(self) -> str:
        if self.p_holm < ALPHA:
            return "equivalent"
        return "different" if self.p_zero_holm < ALPHA else "inconclusive"


def pairs_to_compare(basis: Basis) -> list[Pair]:
    """Return the pairs of a baseline and another cell, whether or not they can be compared.

    Where the precision varies, the most exact one is the baseline of the others; elsewhere
    baselines are those of the report.
    """
    if _PRECISION not in varying_parameters(basis.cells):
        by_cell = {id(result.cell): result for result in basis.results}
        return [
            (by_cell[id(row.comparison.baseline)], row.result)
            for row in basis.rows
            if row.comparison
        ]
    keys = [key for key in varying_parameters(basis.cells) if key != _PRECISION]
    groups: dict[tuple[str, ...], list[CellResult]] = {}
    for result in basis.results:
        if result.n:
            groups.setdefault(identity_of(result.cell, keys), []).append(result)
    pairs = []
    for group in groups.values():
        base, *others = sorted(group, key=lambda r: _PRECISIONS.index(_precision(r.cell)))
        pairs += [(base, other) for other in others]
    return pairs


def _precision(cell: Cell) -> str:
    return str(parse_value(parameter_text(cell, _PRECISION), _PRECISION))


def _obstacle(basis: Basis) -> str:
    reasons = [obstacle_between(*pair) for pair in pairs_to_compare(basis)]
    if not reasons:
        return "needs runs at several precisions, or of a method and its baseline"
    return reasons[0] and f"no two cells can be compared ({reasons[0]})" if all(reasons) else ""


def _analyze(basis: Basis) -> Findings:
    margin = basis.request.margin
    pairs = pairs_to_compare(basis)
    tests = _run_tests([pair for pair in pairs if not obstacle_between(*pair)], margin)
    names = {
        "equivalent": f"equivalent within ±{format_margin(margin)} on",
        "different": "significantly different on",
        "inconclusive": "inconclusive on",
    }
    contrasts = [
        Contrast(
            cell=test.other.cell,
            baseline=test.base.cell,
            verdict=names[test.verdict],
            detail=format_interval(test.welch.difference, "+"),
        )
        for test in tests
    ]
    contrasts += [
        Contrast(cell=b.cell, baseline=a.cell, verdict=NOT_COMPARED, detail=f"({reason})")
        for a, b in pairs
        if (reason := obstacle_between(a, b))
    ]
    return Findings(
        tables=[_table(tests, basis, margin)],
        sentences=[
            *contrast_sentences(contrasts, labels=basis.labels, verdicts=list(names.values())),
            _definitions(margin, len(tests)),
        ],
        numbers=[number for test in tests for number in _numbers(test)],
    )


def _run_tests(pairs: Sequence[Pair], margin: float) -> list[_Test]:
    welch = [welch_equivalence(a.test, b.test, margin=margin) for a, b in pairs]
    paired = [paired_equivalence(a.test, b.test, margin=margin) for a, b in pairs]
    p_holm = adjust_p_values([test.p for test in welch], pairs)
    p_paired_holm = adjust_p_values([test.p for test in paired], pairs)
    p_zero_holm = adjust_p_values([test.p_zero for test in welch], pairs)
    return [
        _Test(
            base=a,
            other=b,
            welch=welch[i],
            paired=paired[i],
            p_holm=p_holm[i],
            p_paired_holm=p_paired_holm[i],
            p_zero_holm=p_zero_holm[i],
        )
        for i, (a, b) in enumerate(pairs)
    ]


def _definitions(margin: float, m: int) -> str:
    return (
        "Equivalent: two one-sided Welch tests (TOST) reject a true difference of "
        f"{format_margin(margin)} or more in either direction. Significantly different: Welch's "
        "test rejects a difference of 0; the true one may still be smaller than the margin. The "
        "verdict rests on p TOST Holm and p Welch Holm, which are corrected by Holm's method over "
        f"{count_of(m, 'comparison')}, times {FAMILIES}: equivalence and difference are tested. "
        "The 90% intervals are uncorrected. Paired: the same tests of the differences by "
        "seed; no verdict rests on them. State the margin (--margin POINTS) before you see the "
        "scores."
    )


def format_margin(margin: float) -> str:
    """Return a margin with its unit: `1 point`, `0.5 points`."""
    return f"{margin:g} point{'' if margin == 1 else 's'}"


def _table(tests: Sequence[_Test], basis: Basis, margin: float) -> Table:
    rows = []
    for test in tests:
        texts = [
            row_name(test.base.cell, basis.labels),
            str(test.other.n),
            format_interval(test.welch.difference, "+"),
            *map(format_p, (test.welch.p, test.p_holm, test.p_zero_holm)),
            format_interval(test.paired.difference, "+"),
            format_p(test.paired.p),
            test.verdict,
        ]
        labels = label_entries(test.other.cell, basis.labels)
        rows.append([*labels, *(Entry(text=text) for text in texts)])
    head = ["against", "n", "Δ mean [90% CI]", "p TOST", "p TOST Holm", "p Welch Holm"]
    head += ["paired Δ [90% CI]", "paired p TOST", "verdict"]
    return Table(
        title=f"Equivalence within ±{format_margin(margin)} (test score x 100)",
        head=["task", *basis.labels, *head],
        rows=rows,
        labels=2 + len(basis.labels),
    )


def _numbers(test: _Test) -> list[Number]:
    cell, baseline = test.other.cell, test.base.cell
    return numbers_by_name(
        cell,
        {
            "difference": test.welch.difference,
            "paired_difference": test.paired.difference,
            "n": test.other.n,
            "margin": test.welch.margin,
            "p_tost": test.welch.p,
            "p_tost_holm": test.p_holm,
            "p_different_holm": test.p_zero_holm,
            "p_tost_paired": test.paired.p,
            "p_tost_paired_holm": test.p_paired_holm,
            "verdict": test.verdict,
        },
        baseline=baseline,
    )


EQUIVALENCE = Analysis(
    name="equivalence",
    summary="cells that score the same within --margin: precisions, or methods and baselines",
    obstacle=_obstacle,
    analyze=_analyze,
)
