"""Claims on the course of training, which need the histories of runs (Figs. 6, 7, and 15 to 18)."""

from collections.abc import Mapping, Sequence

import numpy as np

from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import SMALLER, describe_effects, judged_effect
from stablebert.report.claims.pairs import STANDARD, Pairs, cells_with, pair_cells, results_of
from stablebert.report.claims.reinit import reinit_pairs
from stablebert.report.compare import adjust_p_values
from stablebert.report.join import CellResult
from stablebert.report.statistics.convergence import (
    LAYER_CHANGE,
    MIN_GAIN,
    SHARE,
    SpeedContrast,
    contrast_speed,
    top_weight_change,
)
from stablebert.report.statistics.cost import clopper_pearson
from stablebert.report.statistics.scores import (
    FloatArray,
    Interval,
    mean_difference,
    welch_test,
)
from stablebert.runs.history import History, Series
from stablebert.runs.record import Key

_WITHOUT_HISTORIES = Evidence(
    sentence="Needs the histories of runs (history.jsonl), which these runs lack.",
    flags=["--fresh"],
)
_NO_HISTORY = "a run has no history"
_TOP = 1 / 4
"""Share of the layers that are the top, as the paper's layers 18 to 24."""


# ---------------------------------------------------------------- convergence


def _judge_convergence(reports: Reports) -> Evidence:
    pairs = reinit_pairs(reports)
    histories = _histories(reports, pairs, "table1", "table2")
    if pairs.by_subject and not histories:
        return _WITHOUT_HISTORIES
    contrasts: dict[str, SpeedContrast] = {}
    obstacles = dict(pairs.obstacles)
    for subject, (a, b) in pairs.by_subject.items():
        curves_a, curves_b = (_validation_curves(result, histories) for result in (a, b))
        floor = a.records[0].majority["val"]
        if not (curves_a and curves_b):
            obstacles[subject] = _NO_HISTORY
        elif contrast := contrast_speed(curves_a, curves_b, floor):
            contrasts[subject] = contrast
        else:
            points = f"{100 * MIN_GAIN:g} points above the majority class"
            obstacles[subject] = f"a cell ends less than {points}"
    return _evidence(
        pairs,
        _speed_effects(contrasts, pairs),
        phrase=f"Steps of Re-init to {SHARE:.0%} of the final gain, seed by seed",
        words=("significantly fewer", "significantly more"),
        obstacles=obstacles,
    )


def _validation_curves(result: CellResult, histories: Mapping[Key, History]) -> list[Series]:
    """Return the validation scores of all runs of a cell, none if a run has no history."""
    curves = [histories.get(record.key, {}).get("val/score") for record in result.records]
    return [] if None in curves else [curve for curve in curves if curve is not None]


def _speed_effects(contrasts: Mapping[str, SpeedContrast], pairs: Pairs) -> list[Effect]:
    own = [pairs.by_subject[subject] for subject in contrasts]
    p_values = adjust_p_values([contrast.p for contrast in contrasts.values()], own)
    effects = []
    for (subject, contrast), p in zip(contrasts.items(), p_values, strict=True):
        faster, slower, n = contrast.faster, contrast.slower, len(contrast.a)
        effects.append(
            judged_effect(
                subject,
                "share of seeds with fewer steps",
                _percent(faster, faster + slower),
                p,
                unit="% of the seeds that differ",
                is_difference=False,
                as_claimed=faster > slower,
                text=f"fewer with {faster} of {n} seeds, more with {slower}",
            )
        )
    return effects


def _percent(count: int, n: int) -> Interval:
    """Return a share x 100 with its interval, which is that of no information if n is 0."""
    if not n:
        return Interval(value=50.0, low=0.0, high=100.0)
    return clopper_pearson(count, n).scaled(100)


# ---------------------------------------------------------------- weight change


def _judge_weight_change(reports: Reports) -> Evidence:
    sweeps = ("weight_change", "table1")
    pairs = pair_cells(
        results_of(reports, *sweeps),
        base=STANDARD,
        other=cells_with(method="reinit", length="3epochs"),
        own=("reinit.num_layers",),
    )
    histories = _histories(reports, pairs, *sweeps)
    if pairs.by_subject and not histories:
        return _WITHOUT_HISTORIES
    changes: dict[str, tuple[FloatArray, FloatArray]] = {}
    obstacles = dict(pairs.obstacles)
    for subject, pair in pairs.by_subject.items():
        a, b = (_top_changes(result, histories) for result in pair)
        if np.isfinite([*a, *b]).all():
            changes[subject] = (a, b)
        else:
            obstacles[subject] = _NO_HISTORY
    return _evidence(
        pairs,
        _change_effects(changes, pairs),
        phrase="Distance of the top quarter of the layers from their start, with Re-init",
        words=SMALLER,
        obstacles=obstacles,
    )


def _top_changes(result: CellResult, histories: Mapping[Key, History]) -> FloatArray:
    """Return the weight change of the top layers in every run of a cell, NaN without a history."""
    own = [histories.get(record.key, {}) for record in result.records]
    layers = max(sum(name.startswith(LAYER_CHANGE) for name in history) for history in own)
    number = max(1, round(layers * _TOP))
    return np.array([top_weight_change(history, number) for history in own])


def _change_effects(
    changes: Mapping[str, tuple[FloatArray, FloatArray]], pairs: Pairs
) -> list[Effect]:
    p = [welch_test(a, b).p for a, b in changes.values()]
    p_values = adjust_p_values(p, [pairs.by_subject[subject] for subject in changes])
    effects = []
    for (subject, (a, b)), p_holm in zip(changes.items(), p_values, strict=True):
        difference = mean_difference(a, b)
        effects.append(
            judged_effect(
                subject,
                "difference of weight changes",
                difference,
                p_holm,
                unit="(L2 norm)",
                as_claimed=difference.value < 0,
                text=f"{b.mean():.2f} instead of {a.mean():.2f}",
            )
        )
    return effects


def _evidence(
    pairs: Pairs,
    effects: Sequence[Effect],
    *,
    phrase: str,
    words: tuple[str, str],
    obstacles: Mapping[str, str],
) -> Evidence:
    """Return the evidence of the pairs that have effects; the others have obstacles."""
    return Evidence(
        effects=effects,
        sentence=describe_effects(effects, phrase, words) if effects else "",
        results=[result for effect in effects for result in pairs.by_subject[effect.subject]],
        obstacles=obstacles,
    )


def _histories(reports: Reports, pairs: Pairs, *sweeps: str) -> dict[Key, History]:
    """Return the histories of the first of some sweeps that suffice for the runs of all pairs."""
    keys = {record.key for result in pairs.results for record in result.records}
    histories: dict[Key, History] = {}
    for name in sweeps:
        if name in reports and not keys <= histories.keys():
            histories |= reports[name].basis.histories[0]
    return histories


CONVERGENCE = Claim(
    key="C7",
    text="Re-init converges faster",
    place="Fig. 6",
    sweeps=("table1", "table2"),
    test="sign test over seeds",
    judge=_judge_convergence,
    headline="Re-init converges faster",
)
WEIGHT_CHANGE = Claim(
    key="C10",
    text="With Re-init, the top layers move less from their start",
    place="Figs. 7 and 15 to 18",
    sweeps=("weight_change", "table1"),
    test="Welch's test",
    judge=_judge_weight_change,
    headline="With Re-init, the top layers move less",
)
