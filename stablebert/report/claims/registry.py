"""The paper's claims, and their verdicts."""

from collections.abc import Sequence

from stablebert.report.caption import shorten_identity
from stablebert.report.claims import (
    depth,
    histories,
    length,
    methods,
    optimizer,
    precision,
    randomness,
    reinit,
    trials,
)
from stablebert.report.claims.base import (
    Claim,
    Evidence,
    Reports,
    Verdict,
    deciding_p,
    outcome_of,
)
from stablebert.report.claims.commands import command_for
from stablebert.report.join import CellResult

CLAIMS: tuple[Claim, ...] = (
    optimizer.WORSE_MEAN,
    optimizer.FAILURES,
    trials.FEW_TRIALS,
    precision.FULL_MNLI,
    reinit.MEANS,
    reinit.SPREADS,
    histories.CONVERGENCE,
    depth.POOLER,
    depth.SHAPE,
    histories.WEIGHT_CHANGE,
    length.LONGER,
    methods.LITTLE_GAIN,
    randomness.BOTH_SEEDS,
    precision.PRECISION,
    reinit.OTHER_MODELS,
)
"""All claims, in the paper's order."""
_MAX_REASONS = 3
"""Maximum number of tasks that a sentence names with the reason why they were not judged."""


def judge_claims(reports: Reports) -> list[Verdict]:
    """Return the verdict on every claim of the paper, in the order of the paper.

    Args:
        reports: Reports of one scale and model, by the name of their sweep.
    """
    return [_judge(claim, reports) for claim in CLAIMS]


def _judge(claim: Claim, reports: Reports) -> Verdict:
    evidence = claim.judge(reports)
    outcome = outcome_of(evidence.effects, claim.quantities)
    enough = outcome != "not enough runs"
    results = evidence.results if enough else _all_results(reports)
    return Verdict(
        claim=claim,
        outcome=outcome,
        sentence=_sentence(claim, evidence, reports),
        effects=evidence.effects,
        p=deciding_p(evidence.effects, claim.quantities),
        n=_run_counts(evidence.results) if enough else "",
        scale=", ".join(dict.fromkeys(r.cell.scale for r in results)),
        model=", ".join(
            dict.fromkeys(shorten_identity(x.model) for r in results for x in r.records)
        ),
        command="" if enough else _command(claim, evidence, reports),
    )


def _command(claim: Claim, evidence: Evidence, reports: Reports) -> str:
    command = command_for(claim.sweeps[0], reports, min_runs=claim.min_runs)
    return " ".join([command, *evidence.flags])


def _all_results(reports: Reports) -> list[CellResult]:
    return [result for report in reports.values() for result in report.basis.results]


def _sentence(claim: Claim, evidence: Evidence, reports: Reports) -> str:
    judged, unjudged = len({e.subject for e in evidence.effects}), len(evidence.obstacles)
    if not unjudged and not judged:
        present = [name for name in claim.sweeps if name in reports]
        reason = "No cells to compare in" if present else "No runs of"
        return evidence.sentence or f"{reason} {' or '.join(present or claim.sweeps)}."
    if not unjudged:
        return evidence.sentence
    reasons = [f"{subject} ({reason})" for subject, reason in evidence.obstacles.items()]
    if more := len(reasons[_MAX_REASONS:]):
        reasons[_MAX_REASONS:] = [f"and {more} more"]
    text = f"Not judged: {', '.join(reasons)}."
    return f"{evidence.sentence} {text}".strip()


def _run_counts(results: Sequence[CellResult]) -> str:
    """Return the numbers of runs per cell: `20`, or `8 to 20`."""
    low, high = min(r.n for r in results), max(r.n for r in results)
    return str(low) if low == high else f"{low} to {high}"
