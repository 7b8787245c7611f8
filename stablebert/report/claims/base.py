"""Types of claims, and the rule that turns effects into a verdict.

One rule decides every claim. Each task (or each task and method) is one effect with a two-sided
p-value, corrected by Holm's method over the effects of the claim. The claim

* holds if the effect is significantly as claimed on half of the tasks or more, and on none
  significantly the opposite;
* does not hold if the effect is significantly the opposite on a task: its interval excludes the
  claim there;
* is inconclusive otherwise.

A claim about several quantities holds if it holds for each of them; if one cannot be judged, it is
inconclusive at best.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from stablebert.report.join import CellResult
from stablebert.report.statistics.scores import MIN_RUNS, Interval
from stablebert.report.sweep_report import SweepReport

Reports = Mapping[str, SweepReport]
"""Reports by the name of their sweep."""
Outcome = Literal["holds", "does not hold", "inconclusive", "not enough runs"]
Finding = Literal["as claimed", "opposite", "inconclusive"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
FINDINGS: tuple[Finding, ...] = get_args(Finding)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An effect that a claim is about, on one task."""

    subject: str
    """Task, and the model or method if the claim is about several."""
    quantity: str
    """Name of what was measured, such as `difference of means`."""
    value: Interval
    unit: str
    """Unit of `value`."""
    p: float | None
    """Two-sided p-value after the correction, None if the interval decides."""
    as_claimed: bool
    """True if the estimate has the direction of the claim."""
    significant: bool
    """True if `p`, or the interval, excludes the other direction."""
    text: str
    """The effect as sentences show it: `+1.3 [+0.2, +2.4]`."""
    is_difference: bool = True
    """False for a share or a standard deviation, whose sign says nothing."""
    detectable: float | None = None
    """Smallest true effect that these runs would probably have detected, in the same unit."""

    @property
    def finding(self) -> Finding:
        """The conclusion from the effect."""
        if not self.significant:
            return "inconclusive"
        return "as claimed" if self.as_claimed else "opposite"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the reports say about a claim."""

    effects: Sequence[Effect] = ()
    sentence: str = ""
    """A sentence on the effects."""
    results: Sequence[CellResult] = ()
    """The cells that were judged."""
    obstacles: Mapping[str, str] = field(default_factory=dict)
    """Reasons why tasks could not be judged."""
    flags: Sequence[str] = ()
    """Flags of the command that trains what is missing."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of the paper."""

    key: str
    """`C1` to `C15`."""
    text: str
    place: str
    """Where the paper makes it."""
    sweeps: Sequence[str]
    """Sweeps that judge it, first the one to run if there are not enough runs."""
    min_runs: int = MIN_RUNS
    """Minimum number of runs of a cell that can be judged."""
    quantities: int = 1
    """Number of quantities that it is about."""
    test: str
    """Name of the test."""
    judge: Callable[[Reports], Evidence]
    headline: str = ""
    """Beginning of a sentence that counts tasks, such as `Re-init beats standard`; empty if the
    claim is not about a direction."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of judging a claim."""

    claim: Claim
    outcome: Outcome
    sentence: str
    """Evidence in one sentence or two."""
    effects: Sequence[Effect]
    p: float | None
    """Corrected p-value that decides, None without effects: see `deciding_p`."""
    n: str
    """Number of runs per cell, `20` or `8 to 20`; empty without effects."""
    scale: str
    model: str
    command: str
    """Command that trains missing runs; empty if there are enough."""


def outcome_of(effects: Sequence[Effect], quantities: int = 1) -> Outcome:
    """Return the verdict on a claim about a number of quantities from all its effects."""
    if not effects:
        return "not enough runs"
    findings: dict[str, list[Finding]] = {}
    for effect in effects:
        findings.setdefault(effect.quantity, []).append(effect.finding)
    if any("opposite" in group for group in findings.values()):
        return "does not hold"
    shown = [2 * group.count("as claimed") >= len(group) for group in findings.values()]
    return "holds" if all(shown) and len(shown) >= quantities else "inconclusive"


def deciding_p(effects: Sequence[Effect], quantities: int = 1) -> float | None:
    """Return the p-value on which a verdict rests.

    Of a claim that does not hold, it is the smallest of the opposite effects. Otherwise it is the
    level at which the claim would hold: the largest p-value of the half of the tasks that shows it
    best, an estimate in the other direction counting as 1, and the largest of several quantities.
    It is None if one of these cannot be judged.
    """
    if outcome_of(effects) == "does not hold":
        opposite = [e.p for e in effects if e.finding == "opposite" and e.p is not None]
        return min(opposite, default=None)
    groups: dict[str, list[float]] = {}
    for effect in effects:
        if effect.p is not None:
            groups.setdefault(effect.quantity, []).append(effect.p if effect.as_claimed else 1.0)
    if len(groups) < quantities:
        return None
    return max((sorted(own)[(len(own) - 1) // 2] for own in groups.values()), default=None)
