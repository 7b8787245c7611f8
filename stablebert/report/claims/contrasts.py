"""Effects of one kind of cell against another: means and spreads of test scores."""

from collections.abc import Callable, Sequence

import numpy as np

from stablebert.report.claims.base import FINDINGS, Effect, Evidence, Finding, outcome_of
from stablebert.report.claims.pairs import Pair, Pairs
from stablebert.report.compare import Comparison
from stablebert.report.join import CellResult
from stablebert.report.sentences import join_verdicts
from stablebert.report.statistics.scores import (
    ALPHA,
    FloatArray,
    Interval,
    describe_scores,
    mean_difference,
)
from stablebert.report.tables import format_interval

POINTS = "points"
HIGHER = "significantly higher", "significantly lower"
"""Words for an effect where a higher score is claimed, and for the opposite."""
SMALLER = "significantly smaller", "significantly larger"
"""The same where a smaller spread, gap, or distance is claimed."""


def judge_contrast(
    pairs: Pairs,
    effects_of: Callable[[Pairs], list[Effect]],
    *,
    phrase: str,
    words: tuple[str, str],
    remark: str = "",
) -> Evidence:
    """Return the evidence of all pairs.

    Args:
        pairs: Baselines and cells.
        effects_of: Computes one effect per pair.
        phrase: Beginning of the sentence, such as `Mean test score with Re-init`.
        words: Words for an effect as claimed and for the opposite, such as `higher` and `lower`.
        remark: A further sentence.
    """
    effects = effects_of(pairs) if pairs.by_subject else []
    sentences = [describe_effects(effects, phrase, words), describe_power(effects), remark]
    return Evidence(
        effects=effects,
        sentence=" ".join(filter(None, sentences)) if effects else "",
        results=pairs.results,
        obstacles=pairs.obstacles,
    )


def mean_effects(pairs: Pairs) -> list[Effect]:
    """Return differences of mean test scores, where a higher mean is claimed.

    The p-values are Welch's with Holm's correction over the pairs, times 2 because means and
    spreads are judged.
    """
    return [
        judged_effect(
            subject,
            "difference of means",
            comparison.difference,
            comparison.p_holm,
            as_claimed=comparison.difference.value > 0,
            detectable=comparison.detectable,
        )
        for subject, comparison, _ in _comparisons(pairs)
    ]


def judged_effect(
    subject: str,
    quantity: str,
    value: Interval,
    p: float,
    *,
    as_claimed: bool,
    text: str = "",
    unit: str = POINTS,
    is_difference: bool = True,
    detectable: float | None = None,
) -> Effect:
    """Return an effect on which a corrected p-value decides; by default, its text is its value."""
    return Effect(
        subject=subject,
        quantity=quantity,
        value=value,
        unit=unit,
        p=p,
        as_claimed=as_claimed,
        significant=p < ALPHA,
        text=text or format_interval(value, "+"),
        is_difference=is_difference,
        detectable=detectable,
    )


def spread_effects(pairs: Pairs) -> list[Effect]:
    """Return differences of spreads over seeds, where a smaller spread is claimed.

    The effect is what the Brown-Forsythe test judges: the difference of the mean distances of runs
    from the median of their cell.
    """
    effects = []
    for subject, comparison, pair in _comparisons(pairs):
        difference = mean_difference(_distances(pair[0]), _distances(pair[1]))
        effects.append(
            judged_effect(
                subject,
                "difference of spreads",
                difference,
                comparison.p_sd_holm,
                as_claimed=difference.value < 0,
                text=_describe_spreads(pair),
            )
        )
    return effects


def _comparisons(pairs: Pairs) -> list[tuple[str, Comparison, Pair]]:
    own = pairs.by_subject
    return list(zip(own, pairs.comparisons, own.values(), strict=True))


def _describe_spreads(pair: Pair) -> str:
    """Return both standard deviations, and both distances where these tell the opposite."""
    sd_before, sd = (describe_scores(result.test).sd for result in pair)
    before, after = (_distances(result).mean() for result in pair)
    text = f"SD {sd:.1f} instead of {sd_before:.1f}"
    if (sd - sd_before) * (after - before) < 0:
        text += f", mean distance from the median {after:.1f} instead of {before:.1f}"
    return text


def _distances(result: CellResult) -> FloatArray:
    """Return the distances of the runs of a cell from their median, shape `(n,)`."""
    return np.abs(result.test - np.median(result.test))


def describe_effects(effects: Sequence[Effect], phrase: str, words: tuple[str, str]) -> str:
    """Return a sentence: `PHRASE: higher on RTE (+1.3 [+0.2, +2.4]); inconclusive on MRPC (...).`.

    Args:
        effects: Effects of a claim.
        phrase: The beginning.
        words: Words for an effect as claimed and for the opposite.
    """
    verdicts: dict[Finding, str] = dict(zip(FINDINGS, (*words, "inconclusive"), strict=True))
    groups = {
        f"{verdict} on": [f"{e.subject} ({e.text})" for e in effects if e.finding == finding]
        for finding, verdict in verdicts.items()
    }
    return join_verdicts(phrase, groups)


def describe_power(effects: Sequence[Effect]) -> str:
    """Return which differences of means the runs could have shown where a claim is inconclusive."""
    limits = sorted(e.detectable for e in effects if e.finding == "inconclusive" and e.detectable)
    if not limits or outcome_of(effects) != "inconclusive":
        return ""
    low, high = f"{limits[0]:.1f}", f"{limits[-1]:.1f}"
    size = f"a difference of {low}" if low == high else f"differences of {low} to {high}"
    return f"Where inconclusive, these runs would probably have detected {size} points."
