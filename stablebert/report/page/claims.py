"""The paper's claims on a page."""

from collections.abc import Sequence

from stablebert.report.claims.base import Effect, Verdict
from stablebert.report.render import Entry, Table
from stablebert.report.tables import format_p

STYLES = {"holds": "good", "does not hold": "bad", "inconclusive": "open"}
"""Classes of verdicts in the page's style; the others have a neutral one."""


def effect_sizes(verdict: Verdict) -> list[tuple[str, str]]:
    """Return each quantity of a verdict with its range over tasks, and the number of findings."""
    groups: dict[str, list[Effect]] = {}
    for effect in verdict.effects:
        groups.setdefault(effect.quantity, []).append(effect)
    return [(quantity, _describe_range(own)) for quantity, own in groups.items()]


def _describe_range(effects: Sequence[Effect]) -> str:
    """Return `-1.0 to +3.5 points, significantly as claimed on 2 of 8`; shares have no sign."""
    values = [effect.value.value for effect in effects]
    digits = ".1f" if max(map(abs, values)) >= 1 else ".2g"
    sign = "+" if effects[0].is_difference else ""
    ends = dict.fromkeys(f"{value:{sign}{digits}}" for value in (min(values), max(values)))
    shown = sum(effect.finding == "as claimed" for effect in effects)
    unit = effects[0].unit if effects[0].unit.startswith("%") else f" {effects[0].unit}"
    return f"{' to '.join(ends)}{unit}, significantly as claimed on {shown} of {len(effects)}"


def effects_table(verdicts: Sequence[Verdict]) -> Table:
    """Return a table of all effects on which verdicts rest."""
    return Table(
        title="All effects behind these verdicts, with corrected two-sided p-values",
        head=["claim", "on", "quantity", "effect", "p", "finding"],
        rows=[
            [
                Entry(text=verdict.claim.key),
                Entry(text=effect.subject),
                Entry(text=effect.quantity),
                Entry(text=effect.text),
                Entry(text="-" if effect.p is None else format_p(effect.p)),
                Entry(text=effect.finding),
            ]
            for verdict in verdicts
            for effect in verdict.effects
        ],
        labels=3,
    )
