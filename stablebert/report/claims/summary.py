"""A summary of reports in a few sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence

from stablebert.report.claims.base import OUTCOMES, Reports, Verdict
from stablebert.report.claims.optimizer import failure_pairs
from stablebert.report.claims.pairs import Pair
from stablebert.report.compare import Comparison, Obstacle
from stablebert.report.sentences import row_name
from stablebert.text import count_of

MAX_SENTENCES = 6


def summary_sentences(reports: Reports, verdicts: Sequence[Verdict]) -> list[str]:
    """Return what the runs show, in at most `MAX_SENTENCES` sentences, the most decided first.

    Args:
        reports: Reports by the name of their sweep, one or more.
        verdicts: Verdicts on the claims, from the same reports.
    """
    decided = [v for v in verdicts if v.outcome in ("holds", "does not hold")]
    inconclusive = [v for v in verdicts if v.outcome == "inconclusive"]
    sentences = [_count_tasks(v) for v in [*decided, *inconclusive] if v.claim.headline]
    failures = _count_failures(reports)
    if failures:
        sentences.insert(min(1, len(sentences)), failures)
    tally = [_count_outcomes(verdicts)] if len(reports) > 1 else []
    sentences = sentences or _contrast_sentences(reports)
    return [*sentences[: MAX_SENTENCES - len(tally)], *tally]


def _count_tasks(verdict: Verdict) -> str:
    """Return `Re-init beats standard on 4 of 8 tasks, significantly on 2.`."""
    quantity = verdict.effects[0].quantity
    effects = [effect for effect in verdict.effects if effect.quantity == quantity]
    findings = [effect.finding for effect in effects]
    noun = "comparison" if any("," in effect.subject for effect in effects) else "task"
    return _sentence(
        verdict.claim.headline,
        count=sum(effect.as_claimed for effect in effects),
        total=count_of(len(effects), noun),
        shown=findings.count("as claimed"),
        opposite=findings.count("opposite"),
    )


def _count_failures(reports: Reports) -> str:
    """Return how many runs failed without and with bias correction."""
    pairs = failure_pairs(reports).by_subject
    if not pairs:
        return ""
    failed_with = sum(a.failed for a, _ in pairs.values())
    failed_without = sum(b.failed for _, b in pairs.values())
    runs_with = sum(a.n for a, _ in pairs.values())
    runs_without = sum(b.n for _, b in pairs.values())
    return (
        f"Without bias correction (BERTAdam), {failed_without} of {runs_without} runs failed"
        f"{_worst_task(pairs)}; with it, {failed_with} of {runs_with}."
    )


def _worst_task(pairs: Mapping[str, Pair]) -> str:
    """Return `, most often on RTE (9 of 20)`, empty if no task has the largest share alone."""
    shares = {subject: b.failed / b.n for subject, (_, b) in pairs.items()}
    worst = [subject for subject, share in shares.items() if share == max(shares.values())]
    if len(worst) > 1 or len(shares) == 1:
        return ""
    _, result = pairs[worst[0]]
    return f", most often on {worst[0]} ({result.failed} of {result.n})"


def _count_outcomes(verdicts: Sequence[Verdict]) -> str:
    """Return how many of the paper's claims have which verdict."""
    outcomes = [verdict.outcome for verdict in verdicts]
    counts = ", ".join(f"{o} {outcomes.count(o)}" for o in OUTCOMES if o in outcomes)
    return f"Verdicts on the paper's {count_of(len(verdicts), 'claim')}: {counts}."


def _contrast_sentences(reports: Reports) -> list[str]:
    """Return a sentence per row of reports that no claim is about, the most decided first."""
    verdicts: dict[tuple[str, str], list[Comparison]] = {}
    for report in reports.values():
        for row in report.rows:
            if isinstance(c := row.comparison, Comparison):
                labels = report.basis.labels
                names = row_name(row.cell, labels), row_name(c.baseline, labels)
                verdicts.setdefault(names, []).append(c)
    if not verdicts:
        return _describe_shortage(reports)
    ranking = sorted(verdicts.items(), key=lambda item: -sum(bool(c.mean_verdict) for c in item[1]))
    return [_count_comparisons(*names, own) for names, own in ranking]


def _describe_shortage(reports: Reports) -> list[str]:
    """Return how many runs there are, and the most frequent reason why none can be compared."""
    rows = [row for report in reports.values() for row in report.rows]
    runs = {record.key for row in rows for record in row.result.records}
    configurations = {row.cell.config_id for row in rows if row.result.n}
    reasons = Counter(x.reason for row in rows if isinstance(x := row.comparison, Obstacle))
    ((reason, _),) = reasons.most_common(1) or [("no configuration has runs of its baseline", 0)]
    if not runs:
        return ["No run has finished yet."]
    return [
        f"{count_of(len(runs), 'run')} of {count_of(len(configurations), 'configuration')}, of "
        f"which none can be compared with its baseline yet: {reason}."
    ]


def _count_comparisons(name: str, baseline: str, comparisons: Sequence[Comparison]) -> str:
    higher = [c.difference.value > 0 for c in comparisons].count(True)
    found = [c.mean_verdict for c in comparisons]
    return _sentence(
        f"{name} beats {baseline}",
        count=higher,
        total=count_of(len(comparisons), "task"),
        shown=found.count("higher"),
        opposite=found.count("lower"),
    )


def _sentence(beginning: str, *, count: int, total: str, shown: int, opposite: int) -> str:
    text = f"{beginning} on {count} of {total}, significantly on {shown or 'none'}"
    return f"{text}; the opposite is significant on {opposite}." if opposite else f"{text}."
