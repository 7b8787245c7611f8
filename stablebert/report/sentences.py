"""Sentences that summarize a table's comparisons, failed runs, and runs at chance."""

from collections.abc import Iterable, Mapping, Sequence

from stablebert.report.cells import Cell, parameter_text, task_title
from stablebert.report.compare import AnalyzedCell, Comparison, Obstacle
from stablebert.report.join import CellResult


def summarize_findings(rows: Sequence[AnalyzedCell], labels: Sequence[str]) -> list[str]:
    """Return one sentence per row of the table against its baseline, and one on failed runs.

    Args:
        rows: All cells of the table.
        labels: Parameters that distinguish cells of the same task.
    """
    return [*summarize_contrasts(rows, labels), *summarize_failures(rows, labels)]


def summarize_contrasts(rows: Sequence[AnalyzedCell], labels: Sequence[str]) -> list[str]:
    """Return one sentence per row of the table against its baseline; equal findings share one."""
    contrasts: dict[tuple[str, str], dict[str, Comparison | Obstacle]] = {}
    for row in rows:
        if row.comparison:
            key = row_name(row.cell, labels), row_name(row.comparison.baseline, labels)
            title = task_title(row.cell.task, row.cell.scale)
            contrasts.setdefault(key, {})[title] = row.comparison
    names: dict[tuple[str, str], list[str]] = {}
    for (name, baseline), by_task in contrasts.items():
        names.setdefault((baseline, _contrast(by_task)), []).append(name)
    return [
        f"{', '.join(own)} against {baseline}: {text}" for (baseline, text), own in names.items()
    ]


def row_name(cell: Cell, labels: Sequence[str]) -> str:
    """Return the name of a table's row in sentences: `standard 3epochs optimizer.lr=0.001`.

    Parameters that its sweep does not set are left out.
    """
    texts = []
    for key in labels:
        if (text := parameter_text(cell, key)) != "-":
            texts.append(text if key in ("method", "length") else f"{key}={text}")
    return " ".join(texts) or cell.method


def _contrast(by_task: dict[str, Comparison | Obstacle]) -> str:
    """Return the findings of a row: `significantly higher on RTE +1.3; inconclusive on MRPC 0.`."""
    groups: dict[str, list[str]] = {
        "significantly higher on": [],
        "significantly lower on": [],
        "inconclusive on": [],
        "significantly smaller spread over seeds on": [],
        "significantly larger spread over seeds on": [],
    }
    reasons: dict[str, list[str]] = {}
    for task, c in by_task.items():
        if isinstance(c, Obstacle):
            reasons.setdefault(c.reason, []).append(task)
            continue
        verdict = f"significantly {c.mean_verdict} on" if c.mean_verdict else "inconclusive on"
        groups[verdict].append(f"{task} {c.difference.value:+.1f}")
        if c.spread_verdict:
            groups[f"significantly {c.spread_verdict} spread over seeds on"].append(task)
    groups["not compared on"] = [f"{', '.join(own)} ({reason})" for reason, own in reasons.items()]
    return _join_groups(groups)


def verdict_sentences(
    findings: Iterable[tuple[str, str, str]], verdicts: Sequence[str]
) -> list[str]:
    """Return a sentence per subject, in the order of the findings.

    Args:
        findings: Subject, verdict, and task of each finding.
        verdicts: All verdicts, in the order of a sentence.
    """
    subjects: dict[str, dict[str, list[str]]] = {}
    for subject, verdict, task in findings:
        groups = subjects.setdefault(subject, {verdict: [] for verdict in verdicts})
        groups[verdict].append(task)
    return [join_verdicts(subject, groups) for subject, groups in subjects.items()]


def join_verdicts(subject: str, groups: Mapping[str, Sequence[str]]) -> str:
    """Return a sentence such as `reinit: higher on RTE +1.3; inconclusive on MRPC +0.2, CoLA 0`.

    Args:
        subject: Its beginning.
        groups: Tasks by verdict; verdicts without tasks are left out.
    """
    return f"{subject}: {_join_groups(groups)}"


def _join_groups(groups: Mapping[str, Sequence[str]]) -> str:
    parts = [f"{verdict} {', '.join(tasks)}" for verdict, tasks in groups.items() if tasks]
    return f"{'; '.join(parts)}."


def summarize_failures(rows: Sequence[AnalyzedCell], labels: Sequence[str]) -> list[str]:
    """Return the numbers of failed runs and of runs at chance, row by row."""
    if not any(row.result.n for row in rows):
        return []
    results: dict[str, list[CellResult]] = {}
    for row in rows:
        results.setdefault(row_name(row.cell, labels), []).append(row.result)
    n = {name: sum(r.n for r in own) for name, own in results.items()}
    failed = {name: sum(r.failed for r in own) for name, own in results.items()}
    at_chance = {name: sum(r.at_chance for r in own) for name, own in results.items()}
    return [
        f"{_counts('Failed runs', failed, n) or 'No run failed.'} "
        f"{_counts('Runs at chance', at_chance, n) or 'No run ended at chance.'}"
    ]


def _counts(title: str, counts: Mapping[str, int], n: Mapping[str, int]) -> str:
    """Return `Failed runs: 2 of 12 with standard, ...`, empty if there are none."""
    texts = [f"{count} of {n[name]} with {name}" for name, count in counts.items() if n[name]]
    return f"{title}: {', '.join(texts)}." if any(counts.values()) else ""
