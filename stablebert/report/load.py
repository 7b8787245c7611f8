"""A sweep's report from the records in its folders."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from stablebert.config.own_tasks import command_line
from stablebert.config.sweep import Sweep, shipped_sweeps
from stablebert.report.analyses.base import Request
from stablebert.report.expected import (
    SweepRecords,
    check_folders,
    expect_cells,
    read_sweep_records,
)
from stablebert.report.items import overrides_at
from stablebert.report.records import ReportError, read_records
from stablebert.report.search import best_of_search, search_sweeps
from stablebert.report.sweep_report import SweepReport, build_report
from stablebert.runs.identities import AmbiguousModelError, ContentError
from stablebert.runs.record import RunRecord
from stablebert.text import count_of


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
        ReportError: If a folder is missing, all records are of other scales, or runs of one cell
            differ in precision or packing.
    """
    basis = _read_basis(sweep, extra_folders)
    cells, notes = basis.cells, basis.notes
    searches = [read_sweep_records(search, *extra_folders) for search in search_sweeps(sweep)]
    if searches:
        candidates = [cell for search in searches for cell in search.cells]
        cells, choices = best_of_search(cells, candidates, basis.records)
        notes = [*notes, *choices]
    return build_report(cells, basis.records, name=sweep.name, notes=notes, request=request)


def _read_basis(sweep: Sweep, extra_folders: Sequence[Path]) -> SweepRecords:
    check_folders(sweep.roots)
    places = [*sweep.roots, *extra_folders]
    records, problems = read_records(*places)
    _check_scales(sweep, records, places)
    try:
        return expect_cells(sweep, records, problems)
    except AmbiguousModelError as error:
        command = command_line("report", "all", f"scale={','.join(_scales(sweep))}")
        raise ContentError(
            f"{error}\n`{command}` reports on the runs of each model; or give model.name."
        ) from error


def _scales(sweep: Sweep) -> list[str]:
    return sorted({cfg.scale for _, cfg in sweep.points})


def _check_scales(sweep: Sweep, records: Iterable[RunRecord], places: Iterable[Path]) -> None:
    """Refuse a report on a scale without records where other scales have some.

    Raises:
        ReportError: If so, with the commands that report on these.
    """
    counts = Counter(record.scale for record in records)
    scales = _scales(sweep)
    if not counts or any(scale in counts for scale in scales):
        return
    folders, names = ", ".join(map(str, places)), " or ".join(scales)
    lines = [f"{sweep.name}: no records of scale {names} in {folders}; there are"]
    for scale, count in counts.most_common():
        shipped = sweep.name in shipped_sweeps()
        overrides = overrides_at(scale, sweep.name) if shipped else [f"scale={scale}"]
        command = command_line("report", sweep.name, *overrides)
        lines.append(f"{count_of(count, 'record')} of scale {scale}: `{command}`")
    lines.append(f"Or report on everything: `{command_line('report', 'all')}`")
    raise ReportError("\n".join(lines))
