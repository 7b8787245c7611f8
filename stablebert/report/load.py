"""A sweep's report from the records in its folders."""

from collections.abc import Sequence
from pathlib import Path

from stablebert.config.sweep import Sweep
from stablebert.report.analyses.base import Request
from stablebert.report.expected import read_sweep_records
from stablebert.report.search import best_of_search, search_sweeps
from stablebert.report.sweep_report import SweepReport, build_report


def load_report(
    sweep: Sweep, extra_folders: Sequence[Path] = (), *, request: Request | None = None
) -> SweepReport:
    """Read the records of a sweep and of the searches for its settings; compute the report.

    Args:
        sweep: The sweep, already narrowed.
        extra_folders: Folders of records besides the sweep's own.
        request: Options of the analyses, with `roots` that cover these folders.

    Raises:
        ConfigError: If a combination of the sweep is invalid.
        ContentError: If data or model is not available and the records do not identify it.
        ReportError: If a folder is missing, or runs of one cell differ in precision or packing.
    """
    basis = read_sweep_records(sweep, *extra_folders)
    cells, notes = basis.cells, basis.notes
    searches = [read_sweep_records(search, *extra_folders) for search in search_sweeps(sweep)]
    if searches:
        candidates = [cell for search in searches for cell in search.cells]
        cells, choices = best_of_search(cells, candidates, basis.records)
        notes = [*notes, *choices]
    return build_report(cells, basis.records, name=sweep.name, notes=notes, request=request)
