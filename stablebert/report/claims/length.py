"""The claim that longer training helps (Section 6)."""

from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import (
    POINTS,
    describe_effects,
    describe_power,
    mean_effects,
    spread_effects,
)
from stablebert.report.claims.pairs import Pairs, cells_with, pair_cells, results_of
from stablebert.report.compare import adjust_p_values
from stablebert.report.statistics.interaction import difference_of_differences
from stablebert.report.statistics.scores import ALPHA
from stablebert.report.tables import format_interval

_SHORT, _LONG = "3epochs", "longer"


def _judge(reports: Reports) -> Evidence:
    results = results_of(reports, "table1")
    longer = pair_cells(
        results,
        base=cells_with(method="standard", length=_SHORT),
        other=cells_with(method="standard", length=_LONG),
    )
    if not longer.by_subject:
        return Evidence(obstacles=longer.obstacles)
    gains = [
        pair_cells(
            results,
            base=cells_with(method="standard", length=length),
            other=cells_with(method="reinit", length=length),
        )
        for length in (_SHORT, _LONG)
    ]
    means, spreads, gaps = mean_effects(longer), spread_effects(longer), _gap_effects(*gains)
    phrase = "of longer training against three epochs"
    words = ("significantly smaller", "significantly larger")
    sentences = [
        describe_effects(
            means, f"Mean test score {phrase}", ("significantly higher", "significantly lower")
        ),
        describe_power(means),
        describe_effects(spreads, f"Spread over seeds {phrase}", words),
        describe_effects(gaps, "Gain of Re-init after longer training", words)
        if gaps
        else "The gain of Re-init after longer training needs runs of both.",
    ]
    return Evidence(
        effects=[*means, *spreads, *gaps],
        sentence=" ".join(filter(None, sentences)),
        results=[*longer.results, *(r for pairs in gains for r in pairs.results)],
        obstacles=longer.obstacles,
    )


def _gap_effects(short: Pairs, long: Pairs) -> list[Effect]:
    """Return how much longer training changes the gain of Re-init, where a decrease is claimed."""
    subjects = [subject for subject in short.by_subject if subject in long.by_subject]
    if not subjects:
        return []
    quadruples = [(short.by_subject[subject], long.by_subject[subject]) for subject in subjects]
    contrasts = [
        difference_of_differences((a.test, b.test), (c.test, d.test))
        for (a, b), (c, d) in quadruples
    ]
    selected = [(b, d) for (_, b), (_, d) in quadruples]
    p_values = adjust_p_values([p for _, p in contrasts], selected)
    return [
        Effect(
            subject=subject,
            quantity="change of the gain of Re-init",
            value=change,
            unit=POINTS,
            p=p,
            as_claimed=change.value < 0,
            significant=p < ALPHA,
            text=format_interval(change, "+"),
        )
        for subject, (change, _), p in zip(subjects, contrasts, p_values, strict=True)
    ]


LONGER = Claim(
    key="C11",
    text="Longer training improves mean and stability, and shrinks the gain of Re-init",
    place="Table 1, Figs. 8 and 14",
    sweeps=("table1",),
    test="Welch's test for means and the gain of Re-init, Brown-Forsythe test for spreads",
    judge=_judge,
    headline="Longer training beats three epochs",
)
