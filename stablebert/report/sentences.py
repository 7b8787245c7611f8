"""What a table says, in a few sentences made from its numbers."""

from collections.abc import Sequence

from stablebert.report import statistics as stats
from stablebert.report.cells import Cell, Comparison, Summary, title, value


def reading(
    summaries: Sequence[Summary], comparisons: Sequence[Comparison | None], labels: Sequence[str]
) -> list[str]:
    """One sentence per row of the table against its baseline, and one on failed runs.

    Args:
        summaries: The cells.
        comparisons: Each against its baseline, or None.
        labels: Parameters that tell a task's cells apart.
    """
    rows: dict[tuple[str, str], list[tuple[Summary, Comparison]]] = {}
    for summary, comparison in zip(summaries, comparisons, strict=True):
        if comparison:
            key = _row(summary.cell, labels), _row(comparison.baseline, labels)
            rows.setdefault(key, []).append((summary, comparison))
    said = [_contrast(row, baseline, pairs) for (row, baseline), pairs in rows.items()]
    return [*said, *_failures(summaries, labels)]


def _row(cell: Cell, labels: Sequence[str]) -> str:
    return " ".join(value(cell, key) for key in labels) or cell.method


def _contrast(row: str, baseline: str, pairs: Sequence[tuple[Summary, Comparison]]) -> str:
    """`reinit against standard: higher in 3 of 4 tasks, ...`."""
    shown = {id(c): f"{_title(s)} {c.difference.value:+.1f}" for s, c in pairs}
    higher = [c for _, c in pairs if c.p_holm < stats.ALPHA]
    lower = [c for _, c in pairs if c.difference.high < 0]
    steadier = [_title(s) for s, c in pairs if c.p_sd_holm < stats.ALPHA]
    parts = []
    for cells, what in ((higher, "significantly higher"), (lower, "significantly lower")):
        if cells:
            parts.append(f"{what} on {', '.join(shown[id(c)] for c in cells)}")
    open_ = [c for _, c in pairs if c not in higher and c not in lower]
    if open_:
        names = ", ".join(shown[id(c)] for c in open_)
        parts.append(f"these runs do not tell on {names}")
    if steadier:
        parts.append(f"significantly smaller spread over seeds on {', '.join(steadier)}")
    return f"{row} against {baseline}: {'; '.join(parts)}."


def _failures(summaries: Sequence[Summary], labels: Sequence[str]) -> list[str]:
    counts: dict[str, tuple[int, int]] = {}
    for summary in summaries:
        failed, n = counts.get(_row(summary.cell, labels), (0, 0))
        counts[_row(summary.cell, labels)] = failed + summary.failed, n + summary.n
    if not any(failed for failed, _ in counts.values()):
        return ["No run failed."] if any(n for _, n in counts.values()) else []
    said = ", ".join(f"{failed} of {n} {row}" for row, (failed, n) in counts.items() if n)
    return [f"Failed runs: {said}."]


def _title(summary: Summary) -> str:
    return title(summary.cell.task, summary.cell.scale)
