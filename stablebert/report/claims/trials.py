"""The claim that few runs with bias correction replace many without (Fig. 4)."""

from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import POINTS, describe_effects
from stablebert.report.claims.pairs import Pair, cells_with, pair_cells, results_of
from stablebert.report.statistics.scores import ALPHA
from stablebert.report.statistics.trials import Trials, best_of_k_difference
from stablebert.report.tables import format_interval

_SWEEP = "bias_correction"
_FACTOR = 5
"""How many times more runs without the correction: the paper's 50 against 10."""
_MIN_TRIALS = 5
"""Fewest runs with the correction, as in the paper's advice to try 5 to 10."""


def _judge(reports: Reports) -> Evidence:
    pairs = pair_cells(
        results_of(reports, _SWEEP),
        base=cells_with(method="bert_adam"),
        other=cells_with(method="standard"),
    )
    enough, obstacles = {}, dict(pairs.obstacles)
    for subject, (a, b) in pairs.by_subject.items():
        if a.n < _FACTOR * _MIN_TRIALS:
            obstacles[subject] = f"{a.n} runs, fewer than {_FACTOR * _MIN_TRIALS}"
        else:
            enough[subject] = (a, b)
    if not enough:
        return Evidence(obstacles=obstacles)
    margin = reports[_SWEEP].basis.request.margin
    level = 1 - ALPHA / len(enough)
    effects = [_effect(subject, pair, margin, level) for subject, pair in enough.items()]
    many = sorted({a.n for a, _ in enough.values()})
    phrase = (
        f"Expected test score of the best of {' or '.join(str(n // _FACTOR) for n in many)} runs "
        f"with bias correction against the best of {' or '.join(map(str, many))} without"
    )
    words = (f"not more than {margin:g} points lower", f"lower by more than {margin:g} points")
    return Evidence(
        effects=effects,
        sentence=describe_effects(effects, phrase, words),
        results=[result for pair in enough.values() for result in pair],
        obstacles=obstacles,
    )


def _effect(subject: str, pair: Pair, margin: float, level: float) -> Effect:
    a, b = pair
    difference = best_of_k_difference(
        Trials(validation=a.val, test=a.test, k=a.n),
        Trials(validation=b.val, test=b.test, k=a.n // _FACTOR),
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
    sweeps=(_SWEEP,),
    test="bootstrap interval (BCa), corrected over tasks",
    judge=_judge,
    headline="A fifth of the runs is enough with bias correction",
)
