"""The page of one sweep, which `stablebert grid --page` refreshes as its runs finish."""

from collections.abc import Sequence
from pathlib import Path

from stablebert.config.sweep import Sweep
from stablebert.report.analyses.base import Request
from stablebert.report.everything import Collection
from stablebert.report.load import load_report
from stablebert.report.page.write import write_page


def write_sweep_page(
    sweep: Sweep,
    extra_folders: Sequence[Path],
    path: Path,
    *,
    command: str,
    is_running: bool = False,
) -> None:
    """Write the page of a sweep.

    Args:
        sweep: The sweep, already narrowed.
        extra_folders: Folders of records besides the sweep's own.
        path: The file.
        command: Command of the grid, to show.
        is_running: Whether the grid is running; the page then reloads itself.

    Raises:
        ConfigError: As `load_report`.
        ContentError: As `load_report`.
        ReportError: As `load_report`, or if the extra `report` is not installed.
    """
    for root in sweep.roots:  # before the first run there may be none
        root.mkdir(parents=True, exist_ok=True)
    request = Request(roots=[*sweep.roots, *extra_folders])
    report = load_report(sweep, extra_folders, request=request)
    configs = [cfg for _, cfg in sweep.points]
    collection = Collection(
        name=sweep.name,
        scale=", ".join(dict.fromkeys(cfg.scale for cfg in configs)),
        model=", ".join(dict.fromkeys(cfg.model.name for cfg in configs)),
        reports={sweep.name: report},
        absent=(),
        records=[record for result in report.basis.results for record in result.records],
        problems=report.notes,
    )
    write_page(collection, path, commands=[command], is_running=is_running)
