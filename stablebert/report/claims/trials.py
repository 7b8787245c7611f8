"""The claim that few runs with bias correction replace many without (Fig. 4)."""

from stablebert.report.analyses.equivalence import format_margin
from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import POINTS, describe_effects
from stablebert.report.claims.optimizer import BIAS_CORRECTION, correction_pairs
from stablebert.report.claims.pairs import Pair
from stablebert.report.statistics.trials import Trials, best_of_k_difference
from stablebert.report.tables import format_interval

_FACTOR = 5
"""How many times more runs without the correction: the paper's 50 against 10."""
_MIN_RUNS = 30
"""Minimum number of runs of a cell, for 3 against 15."""
_LEVEL = 0.99
"""Nominal coverage on one task; the real one is about 95% (docs/statistics.md)."""


def _judge(reports: Reports) -> Evidence:
    pairs = correction_pairs(reports)
    enough: dict[str, Pair] = {}
    obstacles = dict(pairs.obstacles)
    for subject, pair in pairs.by_subject.items():
        if pair[0].n < _MIN_RUNS:
            obstacles[subject] = f"{pair[0].n} runs, fewer than {_MIN_RUNS}"
        else:
            enough[subject] = pair
    if not enough:
        return Evidence(obstacles=obstacles)
    margin = reports[BIAS_CORRECTION].basis.request.margin
    level = 1 - (1 - _LEVEL) / len(enough)
    effects = [_effect(subject, pair, margin, level) for subject, pair in enough.items()]
    numbers = [_numbers_of_trials(n) for n in sorted({a.n for a, _ in enough.values()})]
    few, many = (" or ".join(map(str, own)) for own in zip(*numbers, strict=True))
    phrase = (
        f"Expected test score of the best of {few} runs with bias correction against the best of "
        f"{many} without"
    )
    points = format_margin(margin)
    words = (f"not more than {points} lower", f"lower by more than {points}")
    return Evidence(
        effects=effects,
        sentence=describe_effects(effects, phrase, words),
        results=[result for pair in enough.values() for result in pair],
        obstacles=obstacles,
    )


def _numbers_of_trials(n: int) -> tuple[int, int]:
    """Return how many runs are tried with and without bias correction.

    Of n runs without, half are tried, because the bootstrap knows no score beyond the best of n.
    """
    return n // 2 // _FACTOR, n // 2


def _effect(subject: str, pair: Pair, margin: float, level: float) -> Effect:
    a, b = pair
    few, many = _numbers_of_trials(a.n)
    difference = best_of_k_difference(
        Trials(validation=a.val, test=a.test, k=many),
        Trials(validation=b.val, test=b.test, k=few),
        seed=0,
        level=level,
    )
    return Effect(
        subject=subject,
        quantity="difference of expected best scores",
        value=difference,
        unit=POINTS,
        p=None,
        as_claimed=difference.value > -margin,
        significant=not difference.low <= -margin <= difference.high,
        text=format_interval(difference, "+"),
    )


FEW_TRIALS = Claim(
    key="C3",
    text="With bias correction, 5 to 10 runs reach what 50 reach without",
    place="Fig. 4",
    sweeps=(BIAS_CORRECTION,),
    min_runs=_MIN_RUNS,
    test="bootstrap interval (BCa), corrected over tasks",
    judge=_judge,
    headline="With bias correction, a fifth as many runs reach the same score",
)
