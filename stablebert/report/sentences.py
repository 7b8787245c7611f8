"""Sentences that summarize a table's comparisons and failed runs."""

from collections.abc import Sequence

from stablebert.report.cells import Cell, parameter_text, task_title
from stablebert.report.compare import AnalyzedCell, Comparison
from stablebert.report.statistics import ALPHA


def summarize_findings(rows: Sequence[AnalyzedCell], labels: Sequence[str]) -> list[str]:
    """Return one sentence per row of the table against its baseline, and one on failed runs.

    Args:
        rows: All cells of the table.
        labels: Parameters that distinguish cells of the same task.
    """
    contrasts: dict[tuple[str, str], dict[str, Comparison]] = {}
    for row in rows:
        if row.comparison:
            key = _row_name(row.cell, labels), _row_name(row.comparison.baseline, labels)
            title = task_title(row.cell.task, row.cell.scale)
            contrasts.setdefault(key, {})[title] = row.comparison
    sentences = [_contrast(*key, by_task) for key, by_task in contrasts.items()]
    return [*sentences, *_failures(rows, labels)]


def _row_name(cell: Cell, labels: Sequence[str]) -> str:
    texts = []
    for key in labels:
        text = parameter_text(cell, key)
        texts.append(text if key in ("method", "length") else f"{key}={text}")
    return " ".join(texts) or cell.method


def _contrast(name: str, baseline: str, by_task: dict[str, Comparison]) -> str:
    """Return the sentence of a row: `reinit against standard: significantly higher on ...`.

    "Higher" and "smaller spread" mean a Holm-adjusted one-tailed p below `ALPHA`; "lower" means a
    Welch interval below zero.
    """
    higher = [task for task, c in by_task.items() if c.p_holm < ALPHA]
    lower = [task for task, c in by_task.items() if c.difference.high < 0]
    groups = {
        "significantly higher on": higher,
        "significantly lower on": lower,
        "inconclusive on": [task for task in by_task if task not in (*higher, *lower)],
    }
    parts = [
        f"{verdict} {', '.join(f'{task} {by_task[task].difference.value:+.1f}' for task in tasks)}"
        for verdict, tasks in groups.items()
        if tasks
    ]
    if steadier := [task for task, c in by_task.items() if c.p_sd_holm < ALPHA]:
        parts.append(f"significantly smaller spread over seeds on {', '.join(steadier)}")
    return f"{name} against {baseline}: {'; '.join(parts)}."


def _failures(rows: Sequence[AnalyzedCell], labels: Sequence[str]) -> list[str]:
    counts: dict[str, tuple[int, int]] = {}
    for row in rows:
        name = _row_name(row.cell, labels)
        failed_count, n = counts.get(name, (0, 0))
        counts[name] = failed_count + row.result.failed, n + row.result.n
    if not any(failed_count for failed_count, _ in counts.values()):
        return ["No run failed."] if any(n for _, n in counts.values()) else []
    texts = [f"{count} of {n} with {name}" for name, (count, n) in counts.items() if n]
    return [f"Failed runs: {', '.join(texts)}."]
