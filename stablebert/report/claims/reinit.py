"""Claims on re-initialization (Section 5, Table 7)."""

from stablebert.report.claims.base import Claim, Evidence, Reports
from stablebert.report.claims.contrasts import (
    HIGHER,
    SMALLER,
    judge_contrast,
    mean_effects,
    spread_effects,
)
from stablebert.report.claims.pairs import STANDARD, Pairs, cells_with, pair_cells, results_of
from stablebert.report.statistics.scores import describe_scores

_REINIT = cells_with(method="reinit", length="3epochs")
_MODELS_THAT_GAIN = ("XLNet", "RoBERTa")


def reinit_pairs(reports: Reports) -> Pairs:
    """Return Re-init against standard with three epochs, from Table 1, or Table 2 without it."""
    candidates = [
        pair_cells(results_of(reports, sweep), base=STANDARD, other=_REINIT)
        for sweep in ("table1", "table2")
    ]
    return max(candidates, key=lambda x: (bool(x.by_subject), bool(x.obstacles)))


def _judge_means(reports: Reports) -> Evidence:
    return judge_contrast(
        reinit_pairs(reports),
        mean_effects,
        phrase="Mean test score of Re-init against standard",
        words=HIGHER,
    )


def _judge_spreads(reports: Reports) -> Evidence:
    pairs = reinit_pairs(reports)
    return judge_contrast(
        pairs,
        spread_effects,
        phrase="Spread over seeds of Re-init against standard",
        words=SMALLER,
        remark=_compare_extremes(pairs),
    )


def _compare_extremes(pairs: Pairs) -> str:
    """Return a sentence on the worst and best runs, on which no verdict rests."""
    ends = [[describe_scores(r.test) for r in pair] for pair in pairs.by_subject.values()]
    if not ends:
        return ""
    worst = sum(b.min - a.min for a, b in ends) / len(ends)
    best = sum(b.max - a.max for a, b in ends) / len(ends)
    return (
        f"Averaged over tasks, the worst run changes by {worst:+.1f} points and the best run by "
        f"{best:+.1f}."
    )


def _judge_other_models(reports: Reports) -> Evidence:
    results = [
        result
        for result in results_of(reports, "table7")
        if result.cell.paper_model in _MODELS_THAT_GAIN
    ]
    return judge_contrast(
        pair_cells(results, base=cells_with(method="standard"), other=cells_with(method="reinit")),
        mean_effects,
        phrase="Mean test score of Re-init against standard",
        words=HIGHER,
    )


MEANS = Claim(
    key="C5",
    text="Re-init improves mean scores",
    place="Tables 1 and 2",
    sweeps=("table1", "table2"),
    test="Welch's test",
    judge=_judge_means,
    headline="Re-init beats standard",
)
SPREADS = Claim(
    key="C6",
    text="Re-init reduces the variance over seeds, and improves the worst runs most",
    place="Figs. 5 and 13",
    sweeps=("table1", "table2"),
    test="Brown-Forsythe test, confirmed by permutation",
    judge=_judge_spreads,
    headline="Re-init varies less over seeds than standard",
)
OTHER_MODELS = Claim(
    key="C15",
    text="Re-init also helps XLNet and RoBERTa",
    place="Table 7",
    sweeps=("table7",),
    test="Welch's test",
    judge=_judge_other_models,
    headline="With XLNet and RoBERTa, Re-init beats standard",
)
