"""Scores against the learning rate, and methods compared at the best rate of each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stablebert.config.values import parse_value
from stablebert.report.analyses.base import Analysis, Basis, Findings, Number, numbers_by_name
from stablebert.report.analyses.contrasts import Contrast, contrast_sentences
from stablebert.report.cells import (
    Cell,
    identity_of,
    parameter_text,
    task_title,
    varying_parameters,
)
from stablebert.report.compare import adjust_p_values, obstacle_between
from stablebert.report.join import CellResult
from stablebert.report.render import Entry, Table
from stablebert.report.sentences import row_name
from stablebert.report.statistics.rates import RateCurve, rate_curve
from stablebert.report.statistics.scores import (
    ALPHA,
    Interval,
    describe_scores,
    mean_difference,
    welch_test,
)
from stablebert.report.tables import format_interval, format_mean_sd, format_p, label_entries
from stablebert.text import count_of

RATE = "optimizer.lr"
TOLERANCE = 1.0
"""Loss of mean validation score, in points, that does not matter."""
CORRECTED = ("standard", "adamd", "bert_adam_rescaled")
"""Methods that differ from bert_adam by a bias correction, or by rates that amount to one."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A method at several learning rates."""

    results: list[CellResult]
    """Cells with runs, ascending by rate."""
    curve: RateCurve
    best: CellResult
    """Cell of the best rate, with the number of rates as the settings of its search."""

    @property
    def failed(self) -> int:
        """Number of failed runs."""
        return sum(result.failed for result in self.results)

    @property
    def n(self) -> int:
        """Number of runs."""
        return sum(result.n for result in self.results)


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """Two methods at the best learning rate of each."""

    base: Tuning
    other: Tuning
    p_holm: float | None = None
    """`p` after the correction over all comparisons."""

    @property
    def obstacle(self) -> str:
        """Reason why no verdict can rest on it, empty if one can."""
        return obstacle_between(self.base.best, self.other.best)

    @property
    def difference(self) -> Interval | None:
        """Difference of mean test scores, None if a cell has a single run."""
        a, b = self.base.best, self.other.best
        return mean_difference(a.test, b.test) if min(a.n, b.n) > 1 else None

    @property
    def p(self) -> float | None:
        """P-value of Welch's test, None if no verdict can rest on it."""
        return None if self.obstacle else welch_test(self.base.best.test, self.other.best.test).p

    @property
    def contrast(self) -> Contrast:
        verdict, reason = "inconclusive on", ""
        value = self.difference.value if self.difference else 0.0
        if self.p_holm is None:
            verdict, reason = "not judged on", f" ({self.obstacle})"
        elif self.p_holm < ALPHA:
            verdict = "significantly higher on" if value > 0 else "significantly lower on"
        text = format_interval(self.difference, "+") if self.difference else "-"
        return Contrast(
            cell=self.other.best.cell,
            baseline=self.base.best.cell,
            verdict=verdict,
            detail=f"{text}{reason}",
        )


def _obstacle(basis: Basis) -> str:
    if RATE not in varying_parameters(basis.cells):
        return f"needs several values of {RATE}, such as in the sweep rate_optimizer"
    return "" if tunings_of(basis) else f"needs runs at two values of {RATE} or more"


def _analyze(basis: Basis) -> Findings:
    tunings = tunings_of(basis)
    comparisons = _compare(tunings)
    labels = [label for label in basis.labels if label != RATE]
    verdicts = ("significantly higher on", "significantly lower on", "inconclusive on")
    contrasts = contrast_sentences(
        [comparison.contrast for comparison in comparisons],
        labels=labels,
        verdicts=[*verdicts, "not judged on"],
    )
    tables = [_scores_table(tunings, labels), _best_table(tunings, labels)]
    return Findings(
        tables=[*tables, *([_comparison_table(comparisons, labels)] if comparisons else [])],
        sentences=[
            *_method_sentences(tunings, labels),
            *(f"Each at its own best rate, {line}" for line in contrasts),
            *_on_bias_correction(comparisons),
            *_DEFINITIONS,
        ],
        numbers=[
            *(number for tuning in tunings for number in _numbers(tuning)),
            *(number for comparison in comparisons for number in _test_numbers(comparison)),
        ],
    )


def tunings_of(basis: Basis) -> list[Tuning]:
    """Return the methods (and what else distinguishes cells) with runs at two rates or more."""
    keys = [key for key in varying_parameters(basis.cells) if key != RATE]
    groups: dict[tuple[str, ...], list[CellResult]] = {}
    for result in basis.results:
        groups.setdefault(identity_of(result.cell, keys), []).append(result)
    tunings = []
    for group in groups.values():
        results = sorted((r for r in group if r.n), key=lambda r: rate_of(r.cell))
        if len({rate_of(r.cell) for r in results}) < 2:
            continue
        curve = rate_curve(
            [rate_of(r.cell) for r in results for _ in range(r.n)],
            np.concatenate([r.val for r in results]),
            tolerance=TOLERANCE,
        )
        best = next(r for r in results if rate_of(r.cell) == curve.best)
        search = replace(
            best.cell,
            settings=best.cell.settings * len(group),
            open_settings=sum(not r.is_complete for r in group),
        )
        tunings.append(Tuning(results=results, curve=curve, best=replace(best, cell=search)))
    return tunings


def rate_of(cell: Cell) -> float:
    """Return the learning rate of a cell."""
    return float(parse_value(parameter_text(cell, RATE), RATE))


# ---------------------------------------------------------------- comparisons


def _compare(tunings: Sequence[Tuning]) -> list[_Comparison]:
    """Compare every method with bert_adam, or with standard if there is no bert_adam."""
    cells = [tuning.best.cell for tuning in tunings]
    method = "bert_adam" if any(c.method == "bert_adam" for c in cells) else "standard"
    keys = [key for key in varying_parameters(cells) if key != RATE]
    comparisons = []
    for other in tunings:
        key = identity_of(replace(other.best.cell, method=method), keys)
        base = next((t for t in tunings if identity_of(t.best.cell, keys) == key), other)
        if base is not other:
            comparisons.append(_Comparison(base=base, other=other))
    pairs = [(c.base.best, c.other.best) for c in comparisons if c.p is not None]
    p_values = [c.p for c in comparisons if c.p is not None]
    p_holm = iter(adjust_p_values(p_values, pairs, families=1))
    return [c if c.p is None else replace(c, p_holm=next(p_holm)) for c in comparisons]


# ---------------------------------------------------------------- sentences


def _method_sentences(tunings: Sequence[Tuning], labels: Sequence[str]) -> list[str]:
    """Return one sentence per row: its best rates, and its failed runs across all rates."""
    groups: dict[str, list[Tuning]] = {}
    for tuning in tunings:
        groups.setdefault(row_name(tuning.best.cell, labels), []).append(tuning)
    sentences = []
    for name, group in groups.items():
        texts = []
        for t in group:
            title = task_title(t.best.cell.task, t.best.cell.scale)
            note = " (edge of the grid)" if t.curve.best_is_at_edge else ""
            texts.append(f"{t.curve.best:g} on {title}{note}")
        failed, n = sum(t.failed for t in group), sum(t.n for t in group)
        sentences.append(
            f"{name}: best learning rate {', '.join(texts)}; {failed} of {count_of(n, 'run')} "
            "failed across all rates."
        )
    return sentences


def _on_bias_correction(comparisons: Sequence[_Comparison]) -> list[str]:
    """Return a statement on bias correction at tuned rates, if the runs can make one."""
    relevant = [
        c
        for c in comparisons
        if c.base.best.cell.method == "bert_adam" and c.other.best.cell.method in CORRECTED
    ]
    values = [c.difference.value for c in relevant if c.difference]
    if not values:
        return []
    verdicts = [c.contrast.verdict for c in relevant]
    better, worse = (verdicts.count(f"significantly {word} on") for word in ("higher", "lower"))
    n_judged = sum(c.p_holm is not None for c in relevant)
    conclusion = (
        f"significantly better in {better}, worse in {worse}, inconclusive (which does not mean "
        f"equal) in {n_judged - better - worse} of {n_judged} with enough runs for a verdict"
        if n_judged
        else "none has enough runs for a verdict"
    )
    at_edge = sum(c.base.curve.best_is_at_edge or c.other.curve.best_is_at_edge for c in relevant)
    edge = (
        f" In {at_edge} of them, a best rate is at the edge of the grid, and a better one may be "
        "outside."
        if at_edge
        else ""
    )
    return [
        "Bias correction or learning rate? At the best rate of each method, bias correction "
        f"changes the mean test score by {min(values):+.1f} to {max(values):+.1f} points over "
        f"{count_of(len(relevant), 'comparison')}: {conclusion}.{edge} Laing and Orvieto (arXiv "
        "2511.20516) find no gain from it at tuned rates."
    ]


_DEFINITIONS = (
    "Best rate: highest mean validation score over seeds. Good rates: all around the best one with "
    f"a mean within {TOLERANCE:g} point of its mean. At the edge of the grid (≤, ≥), better or "
    "more good rates may be outside.",
    "Differences at the best rates: test scores with Welch's interval (uncorrected). p Welch: "
    "two-sided; p Holm: the same, times the numbers of rates of both methods, from which "
    "validation chose, then with Holm's correction over the comparisons at best rates. The "
    "verdicts of this section rest on p Holm.",
)


# ---------------------------------------------------------------- tables and numbers


def _scores_table(tunings: Sequence[Tuning], labels: Sequence[str]) -> Table:
    rows = []
    for tuning in tunings:
        for result in tuning.results:
            rate = rate_of(result.cell)
            texts = [format_mean_sd(result.test), f"{result.n} of {len(result.cell.seeds)}"]
            texts += [f"{count}/{result.n}" for count in (result.failed, result.at_chance)]
            rows.append(
                [
                    *label_entries(result.cell, labels),
                    Entry(text=f"{rate:g}"),
                    Entry(text=format_mean_sd(result.val), marked=rate == tuning.curve.best),
                    *(Entry(text=text) for text in texts),
                ]
            )
    head = ["task", *labels, "rate", "best validation", "test", "n", "failed", "at chance"]
    title = "Score x 100 by learning rate (bold or *: the best of its method)"
    return Table(title=title, head=head, rows=rows, labels=1 + len(labels))


def _best_table(tunings: Sequence[Tuning], labels: Sequence[str]) -> Table:
    rows = []
    for t in tunings:
        edge = ("edge of the grid",) if t.curve.best_is_at_edge else ()
        texts = [
            format_mean_sd(t.best.val),
            format_mean_sd(t.best.test),
            f"{t.best.failed}/{t.best.n}",
            f"{'≤' if t.curve.low_is_at_edge else ''}{t.curve.low:g}",
            f"{'≥' if t.curve.high_is_at_edge else ''}{t.curve.high:g}",
            f"{t.curve.high / t.curve.low:.3g}",
            f"{t.failed}/{t.n}",
        ]
        best = Entry(text=f"{t.curve.best:g}", notes=edge)
        labeled = label_entries(t.best.cell, labels)
        rows.append([*labeled, best, *(Entry(text=text) for text in texts)])
    head = ["task", *labels, "best rate", "best validation", "test", "failed", "good from"]
    head += ["good to", "factor", "failed, all rates"]
    title = "Best learning rate, and rates within one point of it"
    return Table(title=title, head=head, rows=rows, labels=1 + len(labels))


def _comparison_table(comparisons: Sequence[_Comparison], labels: Sequence[str]) -> Table:
    rows = []
    for c in comparisons:
        difference = format_interval(c.difference, "+") if c.difference else "-"
        rows.append(
            [
                *label_entries(c.other.best.cell, labels),
                Entry(text=f"{c.other.curve.best:g}"),
                Entry(text=f"{c.base.curve.best:g}"),
                Entry(text=difference, notes=(c.obstacle,) if c.obstacle else ()),
                *(Entry(text="-" if p is None else format_p(p)) for p in (c.p, c.p_holm)),
            ]
        )
    base = comparisons[0].base.best.cell.method
    head = ["task", *labels, "rate", f"rate of {base}", "Δ mean [95% CI]", "p Welch", "p Holm"]
    title = f"Compared with {base}, each at its own best rate (test score x 100)"
    return Table(title=title, head=head, rows=rows, labels=1 + len(labels))


def _numbers(tuning: Tuning) -> list[Number]:
    numbers: list[Number] = []
    for r in tuning.results:
        val, test = describe_scores(r.val), describe_scores(r.test)
        values: dict[str, float] = {"n": r.n, "failed": r.failed, "at_chance": r.at_chance}
        values |= {"val_mean": val.mean, "val_sd": val.sd}
        values |= {"test_mean": test.mean, "test_sd": test.sd}
        numbers += numbers_by_name(r.cell, values)
    curve = tuning.curve
    rates = {
        "best_rate": curve.best,
        "lowest_good_rate": curve.low,
        "highest_good_rate": curve.high,
        "octaves": curve.octaves,
    }
    return [*numbers, *numbers_by_name(tuning.best.cell, rates)]


def _test_numbers(c: _Comparison) -> list[Number]:
    return numbers_by_name(
        c.other.best.cell,
        {
            "p_welch_at_best_rates": c.p,
            "p_holm_at_best_rates": c.p_holm,
            "difference_at_best_rates": c.difference,
            "not_judged": c.obstacle or None,
        },
        baseline=c.base.best.cell,
    )


RATES = Analysis(
    name="rates",
    summary="scores against the learning rate, and methods at their best rates",
    obstacle=_obstacle,
    analyze=_analyze,
)
