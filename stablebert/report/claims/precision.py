"""Claims that two kinds of runs score the same (Tables 4 and 5)."""

from collections.abc import Mapping, Sequence

from stablebert.report.analyses.base import Number
from stablebert.report.analyses.equivalence import EQUIVALENCE, format_margin, pairs_to_compare
from stablebert.report.cells import Cell, task_title
from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import POINTS, describe_effects
from stablebert.report.claims.numbers import float_of, interval_of
from stablebert.report.compare import obstacle_between
from stablebert.report.sentences import row_name
from stablebert.report.tables import format_interval


def _judge_precision(reports: Reports) -> Evidence:
    return _judge(reports, "table4", "Mean test score in mixed against full precision")


def _judge_bias_correction(reports: Reports) -> Evidence:
    return _judge(reports, "table5", "Mean test score with bias correction against without")


def _judge(reports: Reports, sweep: str, phrase: str) -> Evidence:
    """Return the evidence of the equivalence analysis of a report."""
    report = reports.get(sweep)
    if not report:
        return Evidence()
    if not (findings := report.sections.findings.get(EQUIVALENCE.name)):
        return Evidence(sentence=f"Not judged: {report.sections.obstacles[EQUIVALENCE.name]}.")
    by_config: dict[str, dict[str, Number]] = {}
    for number in findings.numbers:
        by_config.setdefault(number.cell.config_id, {})[number.quantity] = number
    pairs = pairs_to_compare(report.basis)
    tasks = {cell.cell.task for _, cell in pairs}
    labels = report.basis.labels if len(pairs) > len(tasks) else ()
    effects = [_effect(numbers, labels) for numbers in by_config.values()]
    cells = {n.cell.config_id for n in findings.numbers}
    cells |= {n.baseline.config_id for n in findings.numbers if n.baseline}
    margin = report.basis.request.margin
    words = f"equivalent within ±{format_margin(margin)}"
    sentences = [describe_effects(effects, phrase, (words, "significantly different"))]
    if all(effect.finding == "inconclusive" for effect in effects):
        widest = max(max(abs(e.value.low), abs(e.value.high)) for e in effects)
        sentences.append(f"The 90% intervals reach differences of ±{widest:.1f} points.")
    return Evidence(
        effects=effects,
        sentence=" ".join(sentences),
        results=[r for r in report.basis.results if r.cell.config_id in cells],
        obstacles={
            _subject(cell.cell, labels): reason
            for base, cell in pairs
            if (reason := obstacle_between(base, cell))
        },
    )


def _subject(cell: Cell, labels: Sequence[str]) -> str:
    title = task_title(cell.task, cell.scale)
    return f"{title} {row_name(cell, labels)}" if labels else title


def _effect(numbers: Mapping[str, Number], labels: Sequence[str]) -> Effect:
    difference, verdict = interval_of(numbers["difference"]), numbers["verdict"].value
    is_small = abs(difference.value) < float_of(numbers["margin"])
    return Effect(
        subject=_subject(numbers["difference"].cell, labels),
        quantity="difference of means",
        value=difference,
        unit=POINTS,
        p=float_of(numbers["p_different_holm" if verdict == "different" else "p_tost_holm"]),
        as_claimed=is_small and verdict != "different",
        significant=verdict != "inconclusive",
        text=format_interval(difference, "+"),
    )


_TEST = "two one-sided Welch tests (TOST); Welch's test of a difference"
FULL_MNLI = Claim(
    key="C4",
    text="On all of MNLI, bias correction makes no difference",
    place="Table 5",
    sweeps=("table5",),
    test=_TEST,
    judge=_judge_bias_correction,
    headline="On all of MNLI, bias correction changes the mean by less than the margin",
)
PRECISION = Claim(
    key="C14",
    text="Mixed precision scores like full precision",
    place="Table 4",
    sweeps=("table4",),
    test=_TEST,
    judge=_judge_precision,
    headline="Mixed precision scores like full precision",
)
