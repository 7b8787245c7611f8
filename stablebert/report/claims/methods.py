"""The claim that earlier remedies gain little (Table 2)."""

from stablebert.report.analyses.equivalence import format_margin
from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import describe_effects, judged_effect
from stablebert.report.claims.pairs import STANDARD, Pair, Pairs, cells_with, pair_cells, results_of
from stablebert.report.compare import adjust_p_values
from stablebert.report.statistics.equivalence import welch_equivalence
from stablebert.report.statistics.scores import mean_difference

_SWEEP = "table2"
_METHODS = {
    "mixout": "Mixout",
    "llrd": "layer-wise learning rates",
    "pretrained_wd": "pre-trained weight decay",
}


def _judge(reports: Reports) -> Evidence:
    results = results_of(reports, _SWEEP)
    by_subject: dict[str, Pair] = {}
    obstacles: dict[str, str] = {}
    for method, name in _METHODS.items():
        pairs = pair_cells(
            results,
            base=STANDARD,
            other=cells_with(method=method, length="3epochs"),
        )
        by_subject |= {f"{task}, {name}": pair for task, pair in pairs.by_subject.items()}
        obstacles |= {f"{task}, {name}": reason for task, reason in pairs.obstacles.items()}
    if not by_subject:
        return Evidence(obstacles=obstacles)
    margin = reports[_SWEEP].basis.request.margin
    pairs = Pairs(by_subject=by_subject, obstacles=obstacles)
    effects = _effects(pairs, margin)
    points = format_margin(margin)
    return Evidence(
        effects=effects,
        sentence=describe_effects(
            effects,
            "Gain over standard",
            (f"significantly below {points}", f"significantly above {points}"),
        ),
        results=pairs.results,
        obstacles=obstacles,
    )


def _effects(pairs: Pairs, margin: float) -> list[Effect]:
    """Return differences of mean test scores, where a gain below the margin is claimed.

    Of the two one-sided Welch tests against the margin, twice the smaller p-value is corrected.
    """
    own = list(pairs.by_subject.values())
    below = [welch_equivalence(a.test, b.test, margin=margin).p_upper for a, b in own]
    p_values = adjust_p_values([2 * min(p, 1 - p) for p in below], own)
    effects = []
    for (subject, (a, b)), p in zip(pairs.by_subject.items(), p_values, strict=True):
        difference = mean_difference(a.test, b.test)
        effects.append(
            judged_effect(
                subject,
                "difference of means",
                difference,
                p,
                as_claimed=difference.value < margin,
            )
        )
    return effects


LITTLE_GAIN = Claim(
    key="C12",
    text="Mixout, layer-wise learning rates (LLRD) and pre-trained weight decay gain little over a "
    "well-tuned baseline",
    place="Table 2",
    sweeps=(_SWEEP,),
    test="Welch's test against the margin",
    judge=_judge,
    headline="Mixout, LLRD and pre-trained weight decay gain less than the margin",
)
