"""The claim that both sources of randomness matter (Appendix B)."""

from collections.abc import Sequence

from stablebert.report.analyses.base import Number
from stablebert.report.analyses.equivalence import format_margin
from stablebert.report.analyses.randomness import RANDOMNESS
from stablebert.report.cells import Cell, task_title
from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import POINTS, describe_effects
from stablebert.report.claims.numbers import float_of, interval_of
from stablebert.report.compare import shortcoming
from stablebert.report.sentences import row_name
from stablebert.report.statistics.scores import ALPHA, MIN_RUNS

_SWEEP = "randomness"
_SOURCES = {"seed_init": "Initialization alone", "seed_data": "Data order alone"}
_FEW_SEEDS = f"needs all combinations of {MIN_RUNS} values or more of each seed"


def _judge(reports: Reports) -> Evidence:
    report = reports.get(_SWEEP)
    if not report:
        return Evidence()
    if not (findings := report.sections.findings.get(RANDOMNESS.name)):
        return Evidence(sentence=f"Not judged: {report.sections.obstacles[RANDOMNESS.name]}.")
    numbers = {(n.cell.config_id, n.level, n.quantity): n for n in findings.numbers}
    margin = report.basis.request.margin
    effects = []
    for (config, source, quantity), number in numbers.items():
        if quantity == "val_component_sd" and source in _SOURCES:
            p = float_of(numbers[config, source, "val_p_holm"])
            subject = _subject(number.cell, report.basis.labels)
            effects.append(_effect(number, p, subject=subject, margin=margin))
    if not effects:
        return Evidence(sentence=f"Not judged: {_FEW_SEEDS}.")
    sentences = [
        describe_effects(
            [e for e in effects if e.quantity == name],
            f"{name}, validation scores",
            ("a significant effect", f"an effect below {format_margin(margin)}"),
        )
        for name in _SOURCES.values()
    ]
    configs = {config for config, _, quantity in numbers if quantity == "val_component_sd"}
    return Evidence(
        effects=effects,
        sentence=" ".join(sentences),
        results=[r for r in report.basis.results if r.cell.config_id in configs],
        obstacles={
            _subject(r.cell, report.basis.labels): shortcoming(r) or _FEW_SEEDS
            for r in report.basis.results
            if r.cell.config_id not in configs
        },
    )


def _subject(cell: Cell, labels: Sequence[str]) -> str:
    return f"{task_title(cell.task, cell.scale)} {row_name(cell, labels)}"


def _effect(number: Number, p: float, *, subject: str, margin: float) -> Effect:
    sd = interval_of(number)
    as_claimed = p < ALPHA or sd.high >= margin
    return Effect(
        subject=subject,
        quantity=_SOURCES[number.level],
        value=sd,
        unit=POINTS,
        p=p if as_claimed else None,
        as_claimed=as_claimed,
        significant=p < ALPHA or not as_claimed,
        is_difference=False,
        text=f"SD {sd.value:.1f} [{sd.low:.1f}, {sd.high:.1f}]",
    )


BOTH_SEEDS = Claim(
    key="C13",
    text="Both the initialization and the order of the data matter",
    place="Figs. 9 and 10",
    sweeps=(_SWEEP,),
    test="F-test of each seed's own effect",
    judge=_judge,
)
