"""Methods compared with their baselines seed by seed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from stablebert.report.analyses.base import (
    Analysis,
    Basis,
    Findings,
    Number,
    numbers_by_name,
)
from stablebert.report.analyses.contrasts import (
    Contrast,
    contrast_sentences,
    impossible_contrasts,
    lack_of_comparisons,
)
from stablebert.report.compare import Comparison, adjust_p_values
from stablebert.report.join import CellResult
from stablebert.report.render import Entry, Table
from stablebert.report.statistics.paired import (
    PairingGain,
    bca_interval,
    pairing_gain,
    sign_flip_test,
)
from stablebert.report.statistics.scores import ALPHA, Interval
from stablebert.report.tables import (
    baseline_names,
    format_interval,
    format_p,
    format_ratio,
    label_entries,
)
from stablebert.text import count_of


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """A cell and its baseline, compared by seed."""

    comparison: Comparison
    result: CellResult
    difference: Interval
    p: float
    p_holm: float
    gain: PairingGain

    @property
    def contrast(self) -> Contrast:
        verdict = "inconclusive on"
        if self.p_holm < ALPHA:
            verdict = f"significantly {'higher' if self.difference.value > 0 else 'lower'} on"
        return Contrast(
            cell=self.result.cell,
            baseline=self.comparison.baseline,
            verdict=verdict,
            detail=f"{self.difference.value:+.1f}",
        )


def _analyze(basis: Basis) -> Findings:
    pairs = _compare(basis)
    contrasts = [*(pair.contrast for pair in pairs), *impossible_contrasts(basis)]
    verdicts = ("significantly higher on", "significantly lower on", "inconclusive on")
    sentences = contrast_sentences(contrasts, labels=basis.labels, verdicts=verdicts)
    return Findings(
        tables=[_table(pairs, basis)],
        sentences=[
            *(f"Paired by seed, {sentence}" for sentence in sentences),
            *_lack_of_seeds(basis),
            *_DEFINITIONS,
        ],
        numbers=[number for pair in pairs for number in _numbers(pair)],
    )


def _compare(basis: Basis) -> list[_Pairs]:
    comparisons = basis.comparisons()
    p = [sign_flip_test(a.test, b.test, seed=0) for _, a, b in comparisons]
    p_holm = adjust_p_values(p, [(a, b) for _, a, b in comparisons], families=1)
    return [
        _Pairs(
            comparison=comparison,
            result=b,
            difference=bca_interval(a.test, b.test, seed=0),
            p=p[i],
            p_holm=p_holm[i],
            gain=pairing_gain(a.test, b.test),
        )
        for i, (comparison, a, b) in enumerate(comparisons)
    ]


def _lack_of_seeds(basis: Basis) -> list[str]:
    """Return a line if no result of the permutation tests could be significant."""
    pairs = [(a, b) for _, a, b in basis.comparisons()]
    lowest = min(adjust_p_values([min(1.0, 2 / 2**b.n) for _, b in pairs], pairs, families=1))
    if lowest < ALPHA:
        return []
    return [
        f"No corrected p-value of {count_of(len(pairs), 'comparison')} with these numbers of seeds "
        f"can be below {format_p(lowest)}: compare more seeds or fewer cells."
    ]


_DEFINITIONS = (
    "The verdicts of the report rest on p Welch Holm. Those of this section rest on p Holm, and "
    "replace them only if you chose this test before you saw the scores: the smaller of two "
    "p-values is below .05 by chance in more than one report in twenty.",
    "Δ mean: mean difference of test scores with the same seed, which share head, data order, "
    "and, if the methods allow it, masks, with a BCa bootstrap interval (uncorrected). p sign "
    "flips: two-sided permutation test of the signs of the differences. p Holm: the same "
    "with Holm's correction over the comparisons.",
    "Correlation: of the scores with the same seed. Variance: that of the mean difference, "
    "relative to runs with different seeds; below 1, pairing makes the comparison more precise.",
)


def _table(pairs: Sequence[_Pairs], basis: Basis) -> Table:
    head = ["n", "Δ mean [95% CI]", "p sign flips", "p Holm", "p Welch", "p Welch Holm"]
    head += ["correlation", "variance"]
    rows = []
    for pair in pairs:
        texts = [
            str(pair.result.n),
            format_interval(pair.difference, "+"),
            *map(format_p, (pair.p, pair.p_holm)),
            *map(format_p, (pair.comparison.p_welch, pair.comparison.p_holm)),
            format_ratio(pair.gain.correlation),
            format_ratio(pair.gain.variance_ratio),
        ]
        labels = label_entries(pair.result.cell, basis.labels)
        rows.append([*labels, *(Entry(text=text) for text in texts)])
    return Table(
        title=f"Compared with {baseline_names(basis.rows)} by seed (test score x 100)",
        head=["task", *basis.labels, *head],
        rows=rows,
        labels=1 + len(basis.labels),
    )


def _numbers(pair: _Pairs) -> list[Number]:
    cell, baseline = pair.result.cell, pair.comparison.baseline
    return numbers_by_name(
        cell,
        {
            "difference": pair.difference,
            "n": pair.result.n,
            "p_sign_flip": pair.p,
            "p_sign_flip_holm": pair.p_holm,
            "p_welch": pair.comparison.p_welch,
            "p_welch_holm": pair.comparison.p_holm,
            **asdict(pair.gain),
        },
        baseline=baseline,
    )


PAIRED = Analysis(
    name="paired",
    summary="methods compared with their baselines seed by seed",
    obstacle=lack_of_comparisons,
    analyze=_analyze,
)
