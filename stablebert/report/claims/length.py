"""The claim that longer training helps (Section 6)."""

from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import (
    HIGHER,
    SMALLER,
    describe_effects,
    describe_power,
    judged_effect,
    mean_effects,
    spread_effects,
)
from stablebert.report.claims.pairs import STANDARD, Pair, Pairs, cells_with, pair_cells, results_of
from stablebert.report.compare import adjust_p_values
from stablebert.report.statistics.interaction import difference_of_differences
from stablebert.report.statistics.scores import Interval

_SHORT, _LONG = "3epochs", "longer"


def _judge(reports: Reports) -> Evidence:
    results = results_of(reports, "table1")
    longer = pair_cells(
        results,
        base=STANDARD,
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
    sentences = [
        describe_effects(means, f"Mean test score {phrase}", HIGHER),
        describe_power(means),
        _compare_sizes(longer),
        describe_effects(spreads, f"Spread over seeds {phrase}", SMALLER),
        describe_effects(gaps, "Gap of Re-init to standard after longer training", SMALLER)
        if gaps
        else "The gap of Re-init to standard needs longer runs of both.",
    ]
    return Evidence(
        effects=[*means, *spreads, *gaps],
        sentence=" ".join(filter(None, sentences)),
        results=[*longer.results, *(r for pairs in gains for r in pairs.results)],
        obstacles={
            **longer.obstacles,
            **{
                f"gap on {task}": reason
                for own in gains
                for task, reason in own.obstacles.items()
                if task in longer.by_subject
            },
        },
    )


def _compare_sizes(longer: Pairs) -> str:
    """Return a sentence on 1,000 samples and full data, on which no verdict rests."""
    gains: dict[bool, list[float]] = {True: [], False: []}
    for a, b in longer.by_subject.values():
        gains[a.cell.task.endswith("_1k")].append(float(b.test.mean() - a.test.mean()))
    if not all(gains.values()):
        return ""
    small, full = (sum(own) / len(own) for own in (gains[True], gains[False]))
    return (
        f"Averaged over tasks, the mean changes by {small:+.1f} points on 1,000 samples and by "
        f"{full:+.1f} on full data."
    )


def _gap_effects(short: Pairs, long: Pairs) -> list[Effect]:
    """Return how longer training changes the gap of standard and Re-init; a decrease is claimed."""
    subjects = [subject for subject in short.by_subject if subject in long.by_subject]
    if not subjects:
        return []
    quadruples = [(short.by_subject[subject], long.by_subject[subject]) for subject in subjects]
    contrasts = [_change_of_gap(*quadruple) for quadruple in quadruples]
    selected = [(b, d) for (_, b), (_, d) in quadruples]
    p_values = adjust_p_values([p for _, p in contrasts], selected)
    effects = []
    for subject, quadruple, (change, _), p in zip(
        subjects, quadruples, contrasts, p_values, strict=True
    ):
        before, after = (float(b.test.mean() - a.test.mean()) for a, b in quadruple)
        effects.append(
            judged_effect(
                subject,
                "change of the gap",
                change,
                p,
                as_claimed=change.value < 0,
                text=f"{after:+.1f} instead of {before:+.1f}",
            )
        )
    return effects


def _change_of_gap(short: Pair, long: Pair) -> tuple[Interval, float]:
    """Return the change of the gap, negative if both cells get closer, and its p-value.

    The gap has another size if neither the difference nor the sum of both gaps is 0, so the larger
    p-value counts. Without the sum, a gap that only changes its sign would seem to shrink or grow.
    """
    (a, b), (c, d) = short, long
    change, p_change = difference_of_differences((a.test, b.test), (c.test, d.test))
    total, p_total = difference_of_differences((b.test, a.test), (c.test, d.test))
    return _negative(change) if total.value < 0 else change, max(p_change, p_total)


def _negative(x: Interval) -> Interval:
    return Interval(value=-x.value, low=-x.high, high=-x.low)


LONGER = Claim(
    key="C11",
    text="Longer training improves mean and stability, most on 1,000 samples, and shrinks the gap "
    "of Re-init to standard",
    place="Table 1, Figs. 8 and 14",
    sweeps=("table1",),
    quantities=3,
    test="Welch's test for means and gaps, Brown-Forsythe test for spreads",
    judge=_judge,
    headline="Longer training beats three epochs",
)
