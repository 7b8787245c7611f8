"""Sentences of captions, computed from the data of a figure."""

from collections.abc import Sequence
from pathlib import PurePath

from stablebert.report.caption import count_values, shorten_identity
from stablebert.report.cells import (
    IDENTITY,
    MODEL,
    Cell,
    parameter_text,
    task_title,
    varying_parameters,
)
from stablebert.report.compare import AnalyzedCell, Comparison
from stablebert.report.figures.points import Score, scores_of
from stablebert.report.join import CellResult
from stablebert.report.sentences import row_name
from stablebert.report.statistics.scores import describe_scores
from stablebert.report.tables import row_labels
from stablebert.runs.seeds import format_seeds
from stablebert.text import count_of, escape_controls

_ADDRESSES = (MODEL, "data.source")
"""Parameters that say where something is, which differs between machines."""


def compose_caption(*sentences: str) -> str:
    """Join the sentences that are not empty, with characters that cannot be printed escaped."""
    return escape_controls(" ".join(sentence for sentence in sentences if sentence))


def describe_runs(results: Sequence[CellResult]) -> str:
    """Return the number of runs and their seeds, scale, model, precision, and configuration.

    Args:
        results: Results of the cells that a figure shows, at least one of which has runs.
    """
    results = [result for result in results if result.n]
    cells = [result.cell for result in results]
    records = [record for result in results for record in result.records]
    counts = sorted({result.n for result in results})
    per_cell = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    facts = [
        f"scale {', '.join(dict.fromkeys(cell.scale for cell in cells))}",
        _describe_model(results),
        "precision " + ", ".join(count_values(r.precision for r in records)),
        *_fixed_parameters(cells),
    ]
    labels = row_labels(cells)
    varying = f"; {_enumerate(labels)} {'vary' if len(labels) > 1 else 'varies'}" if labels else ""
    return (
        f"{count_of(len(records), 'run')} in {count_of(len(results), 'cell')}, {per_cell} per "
        f"cell (seeds {format_seeds(r.seeds for r in records)}); {', '.join(facts)}{varying}."
    )


def _describe_model(results: Sequence[CellResult]) -> str:
    """Return the name of the model, if all cells have the same one, and the digests of its content.

    A folder is named without its path.
    """
    digests = count_values(shorten_identity(r.model) for result in results for r in result.records)
    names = {str(result.cell.params.get(MODEL, "")) for result in results}
    name = names.pop() if len(names) == 1 else ""
    name = PurePath(name).name if name.startswith(("/", "~", ".")) else name
    return " ".join(filter(None, ["model", name, ", ".join(digests)]))


def _fixed_parameters(cells: Sequence[Cell]) -> list[str]:
    """Return method, length, and other parameters of a sweep that all cells share."""
    own = [key for key in ("method", "length") if len({parameter_text(c, key) for c in cells}) == 1]
    varying = varying_parameters(cells)
    others = [key for key in cells[0].params if key not in (*IDENTITY, *varying, *_ADDRESSES)]
    return [
        *(f"{key} {parameter_text(cells[0], key)}" for key in own),
        *(f"{key}={parameter_text(cells[0], key)}" for key in others),
    ]


def name_cell(cell: Cell, labels: Sequence[str]) -> str:
    """Return the name of a cell in a sentence: `reinit longer on RTE`."""
    return f"{row_name(cell, labels)} on {task_title(cell.task, cell.scale)}"


def largest_difference(rows: Sequence[AnalyzedCell], labels: Sequence[str]) -> str:
    """Return a sentence on the comparison with the largest difference, empty without any."""
    pairs = [(row.cell, row.comparison) for row in rows if isinstance(row.comparison, Comparison)]
    if not pairs:
        return ""
    cell, c = max(pairs, key=lambda pair: abs(pair[1].difference.value))
    verdict = "significant" if c.mean_verdict else "not significant"
    return (
        f"Largest difference of mean test scores: {name_cell(cell, labels)} against "
        f"{row_name(c.baseline, labels)}, {c.difference.value:+.1f} points (95% interval "
        f"{c.difference.low:+.1f} to {c.difference.high:+.1f}; {verdict} after the correction for "
        f"{count_of(len(pairs), 'comparison')})."
    )


def failed_runs(results: Sequence[CellResult], labels: Sequence[str]) -> str:
    """Return a sentence on failed runs, and on the cell with most of them."""
    n, failed = sum(r.n for r in results), sum(r.failed for r in results)
    if not failed:
        return "No run failed."
    worst = max((r for r in results if r.n), key=lambda r: r.failed / r.n)
    return (
        f"{failed} of {count_of(n, 'run')} failed, most with {name_cell(worst.cell, labels)}: "
        f"{worst.failed} of {worst.n}."
    )


def widest_spread(results: Sequence[CellResult], labels: Sequence[str], score: Score) -> str:
    """Return a sentence on the cell with the largest standard deviation over seeds."""
    several = [result for result in results if result.n > 1]
    if not several:
        return ""
    descriptions = [describe_scores(scores_of(r, score)) for r in several]
    i = max(range(len(several)), key=lambda i: descriptions[i].sd)
    widest = descriptions[i]
    return (
        f"Widest spread: {name_cell(several[i].cell, labels)}, standard deviation "
        f"{widest.sd:.1f}, from {widest.min:.1f} to {widest.max:.1f}."
    )


def _enumerate(names: Sequence[str]) -> str:
    """Return `a`, `a and b`, or `a, b, and c`."""
    if len(names) < 3:
        return " and ".join(names)
    return f"{', '.join(names[:-1])}, and {names[-1]}"
