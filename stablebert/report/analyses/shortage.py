"""Predictions that a report lacks."""

from stablebert.report.analyses.base import Basis


def lack_of_predictions(basis: Basis, *, runs: int) -> str:
    """Return why no cell has predictions of enough runs, empty if one may have them.

    Reads no file: predictions that a record names may still be absent or damaged.

    Args:
        basis: The cells of the report.
        runs: Fewest runs of a cell.
    """
    records = [result.records for result in basis.results]
    most = max(sum(r.predictions_digest is not None for r in own) for own in records)
    if most >= runs:
        return ""
    return (
        f"needs {runs} runs of a cell with predictions, but the most are {most} "
        f"(records older than predictions have none; force=true runs them again)"
    )


def problems_with_predictions(basis: Basis) -> list[str]:
    """Return a line per file or run whose predictions cannot be used, and how many have none."""
    _, problems = basis.predictions
    return [*problems, *(p for cell in basis.cell_predictions for p in cell.problems)]
