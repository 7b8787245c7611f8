"""Reports on all sweeps that have runs, per scale and model.

They cover what has been run: cells with runs, and the seeds that these share. No data, model, or
network is needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from stablebert.config.compose import compose
from stablebert.config.own_tasks import command_line
from stablebert.config.sweep import Sweep, read_sweep
from stablebert.config.values import (
    choices_of,
    describe_allowed_overrides,
    did_you_mean,
    parse_override,
)
from stablebert.errors import ConfigError
from stablebert.filesystem import expand_path
from stablebert.report.analyses.base import Request
from stablebert.report.cells import MODEL, Cell
from stablebert.report.claims.base import Verdict
from stablebert.report.claims.registry import judge_claims
from stablebert.report.contents import ModelRecords, group_by_model
from stablebert.report.expected import check_folders, possible_cells
from stablebert.report.figures.draw import Drawings, draw_figures
from stablebert.report.items import COMPANIONS, ITEMS, Item, overrides_at, replace_overrides
from stablebert.report.narrowing import (
    finished_seeds,
    narrow_cells,
    replace_depths,
    runs_of,
    seeds_in_use,
)
from stablebert.report.records import ReportError, read_records
from stablebert.report.search import SEARCHES, best_of_search
from stablebert.report.shared import SharedFiles
from stablebert.report.sweep_report import SweepReport, build_report
from stablebert.report.tables import has_paper_layout
from stablebert.runs.record import RunRecord
from stablebert.tasks import TASKS


@dataclass(frozen=True, kw_only=True)
class AbsentItem:
    """A figure or table without a report."""

    item: Item
    shown_in: Sequence[str] = ()
    """Sweeps whose reports have its runs; empty if there are none."""
    command: str
    """Command that trains the runs."""

    @property
    def reason(self) -> str:
        """The reason why there is no report."""
        names = " and ".join(self.shown_in)
        return f"no runs except those in the report on {names}" if names else "no runs"


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All reports on the runs of one scale and one model."""

    name: str
    """Name of its folder: `demo`, or `mini-all-MiniLM-L6-v2-0123456789ab`."""
    scale: str
    model: str
    """Name of the model, or the digits of its content and the name that has its settings."""
    reports: Mapping[str, SweepReport]
    """Reports by name of the sweep, in the paper's order; only sweeps with runs."""
    absent: Sequence[AbsentItem]
    records: Sequence[RunRecord]
    """All records of the scale and model, also those that belong to no sweep."""
    problems: Sequence[str]
    """Files that could not be read, and sweeps whose report could not be computed."""

    @property
    def unreported(self) -> int:
        """Number of records that are in none of the reports."""
        results = [r for report in self.reports.values() for r in report.basis.results]
        reported = {record.key for result in results for record in result.records}
        return sum(record.key not in reported for record in self.records)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Verdicts on the paper's claims."""
        return judge_claims(self.reports)

    @cached_property
    def drawings(self) -> dict[str, Drawings]:
        """Figures of each report by name of the sweep; drawn on first use, with Altair."""
        return {name: draw_figures(report) for name, report in self.reports.items()}


SWEEPS = (*dict.fromkeys(item.sweep for item in ITEMS.values() if item.sweep), "rate_optimizer")
"""Names of the sweeps of a collection, in the paper's order."""
_ALSO_RUN = {"table4": ("trainer.precision=16-mixed,bf16-mixed,32-true",)}
"""Values that may have been run instead of a sweep's own: a CPU has no 16-mixed."""


def read_collections(
    overrides: Sequence[str] = (), folders: Sequence[Path] = (), *, request: Request | None = None
) -> list[Collection]:
    """Read all records once, and compute the reports of every scale and model that has any.

    Args:
        overrides: `KEY=VALUES` overrides for every sweep, such as `scale=demo`.
        folders: Folders of records besides `paths.runs`.
        request: Options of the analyses; its roots become the folders of the records.

    Raises:
        ConfigError: If an override is invalid.
        ReportError: If `paths.runs` is not a folder.
    """
    scales = Sweep("all", {}).narrow(overrides).parameters.get("scale")
    records, places, problems = read_all_records(overrides, folders)
    files = SharedFiles(records, places)
    request = replace(request or Request(), roots=places, files=files)
    groups = group_by_model(records)
    return [
        build_collection(group, overrides, groups=groups, request=request, problems=problems)
        for group in groups
        if scales is None or group.scale in scales
    ]


def read_all_records(
    overrides: Sequence[str], folders: Sequence[Path]
) -> tuple[list[RunRecord], list[Path], list[str]]:
    """Return all records of `paths.runs` and of other folders, these folders, and problems.

    Raises:
        ConfigError: If an override is invalid.
        ReportError: If `paths.runs` is not a folder.
    """
    parameters = Sweep("all", {}).narrow(overrides).parameters
    _check_values(parameters)
    default = compose([]).paths.runs
    roots = [expand_path("paths.runs", x) for x in parameters.get("paths.runs", [default])]
    check_folders(roots)
    places = [*roots, *folders]
    records, problems = read_records(*places)
    return records, places, problems


def _check_values(parameters: Mapping[str, Sequence[str]]) -> None:
    """Check the values of overrides, as a sweep that they make invalid only has no report."""
    problems = []
    for key, texts in parameters.items():
        if key.startswith("model."):
            problems.append(f"{key}={','.join(texts)}: the records name their models; drop it")
            continue
        for text in texts:
            try:
                parse_override(text, key)
            except ValueError:
                near = did_you_mean(text, choices_of(key))
                allowed = describe_allowed_overrides(key)
                problems.append(f"{key}={text}: {key} takes {allowed}{near}")
    if problems:
        raise ConfigError(problems)


def build_collection(
    group: ModelRecords,
    overrides: Sequence[str] = (),
    *,
    request: Request,
    groups: Sequence[ModelRecords] = (),
    problems: Sequence[str] = (),
) -> Collection:
    """Compute the reports of one scale and model.

    Args:
        group: The records.
        overrides: `KEY=VALUES` overrides for every sweep.
        request: Options of the analyses, with the folders of the records as roots.
        groups: All records. A sweep that names models is reported with the first of its scale.
        problems: Files that could not be read.
    """
    reports, notes = {}, [*problems, *group.notes]
    siblings = [x for x in groups if x.scale == group.scale]
    sweep_cells = _SweepCells(group, overrides)
    sweeps = list(sweep_cells.of_all_sweeps())
    named = list(_cells_of_named_models(siblings, overrides))
    is_first = bool(siblings) and siblings[0] is group
    sweeps += named if is_first else []
    elsewhere = [] if is_first else [name for name, *_ in named]
    for name, cells, remarks in sweeps:
        models = siblings if MODEL in read_sweep(name).parameters else [group]
        records = [record for x in models for record in x.records]
        try:
            reports[name] = build_report(cells, records, name=name, notes=remarks, request=request)
        except ReportError as error:  # runs of one cell differ in precision or packing
            notes.append(f"{name}: {error}")
    return Collection(
        name=group.name,
        scale=group.scale,
        model=group.model,
        reports={name: reports[name] for name in SWEEPS if name in reports},
        absent=[
            AbsentItem(
                item=item,
                shown_in=sweep_cells.shown_in.get(item.sweep, ()),
                command=_grid_command(item, group, overrides),
            )
            for item in ITEMS.values()
            if item.sweep and item.sweep not in {*reports, *elsewhere}
        ],
        records=group.records,
        problems=notes,
    )


# ---------------------------------------------------------------- cells that have been run


class _SweepCells:
    """The cells of sweeps that have runs of one scale and model.

    Args:
        group: The records.
        overrides: `KEY=VALUES` overrides for every sweep.
    """

    def __init__(self, group: ModelRecords, overrides: Sequence[str]):
        self._group = group
        self._overrides = overrides
        self._finished = finished_seeds(group.records)
        tasks = {record.task for record in group.records}
        names = ",".join(task for task in TASKS if task in tasks)
        self._widening = [f"scale={group.scale}", f"task={names}", *group.overrides]
        self._cells: dict[tuple[str, ...], list[Cell]] = {}
        self.shown_in: dict[str, list[str]] = {}
        """Other sweeps that have runs of a sweep, by its name."""

    def of_all_sweeps(self) -> Iterator[tuple[str, list[Cell], list[str]]]:
        """Yield name, cells, and notes of every sweep with runs.

        A task counts only if one of its runs is in no sweep before, Table 1 being the first, or if
        no run of the sweep itself is missing: most sweeps share the runs of `standard`, which alone
        do not make a report.
        """
        owners: dict[object, str] = {}
        for name in sorted(SWEEPS, key=lambda name: name != "table1"):
            if MODEL in read_sweep(name).parameters:
                continue
            cells, companions, notes = self._of_sweep(name)
            runs = runs_of(cells, self._finished)
            tasks = {task for task, own in runs.items() if own - owners.keys()}
            tasks |= self._complete_tasks(name)
            found = dict.fromkeys(run for own in runs.values() for run in own)
            own = [run for task in self._tasks_of(name) for run in runs.get(task, ())]
            self.shown_in[name] = sorted({owners[run] for run in own if run in owners})
            owners = dict.fromkeys(found, name) | owners
            if cells := [cell for cell in [*companions, *cells] if cell.task in tasks]:
                yield name, cells, notes

    def _of_sweep(self, name: str) -> tuple[list[Cell], list[Cell], list[str]]:
        """Return the cells of a sweep with runs, those of Table 1 next to them, and notes."""
        finished = self._finished
        notes: list[str] = []
        cells = self.possible(name, *_ALSO_RUN.get(name, ()))
        is_search = not has_paper_layout(cells)
        if not is_search:
            depths = self.possible("reinit_depth", "length=3epochs,longer")
            cells, notes = replace_depths(cells, depths, finished)
        others = COMPANIONS.get(name, {}).items()
        companions = [cell for x in others for cell in self.possible(x[0], *x[1])]
        candidates = [cell for search in SEARCHES.get(name, ()) for cell in self.possible(search)]
        all_cells = [*cells, *companions, *candidates]
        seeds = seeds_in_use(all_cells, finished, is_search=is_search)
        cells = narrow_cells(cells, seeds, finished)
        if candidates := narrow_cells(candidates, seeds, finished):
            cells, choices = best_of_search(cells, candidates, self._group.records)
            notes = [*notes, *choices]
        return cells, narrow_cells(companions, seeds, finished), notes

    def _complete_tasks(self, name: str) -> set[str]:
        """Return the tasks of a sweep's file with several cells, of which no run is missing."""
        cells: dict[str, list[Cell]] = {}
        for cell in self.possible(name):
            cells.setdefault(cell.task, []).append(cell)
        return {
            task
            for task in cells.keys() & self._tasks_of(name)
            if len(cells[task]) > 1
            and all({*x.seeds} <= self._finished.get(x.config_id, set()) for x in cells[task])
        }

    def _tasks_of(self, name: str) -> set[str]:
        """Return the tasks of a sweep's file at this scale."""
        overrides = overrides_at(self._group.scale, name)
        return {*read_sweep(name).narrow(overrides).parameters.get("task", ())}

    def possible(self, name: str, *overrides: str) -> list[Cell]:
        """Return the cells of a sweep that can have runs: its tasks are those of all records."""
        key = name, *overrides
        if key not in self._cells:
            sweep = read_sweep(name).narrow(self._widening).narrow(overrides)
            self._cells[key] = possible_cells(sweep.narrow(self._overrides), self._group)
        return self._cells[key]


def _cells_of_named_models(
    groups: Sequence[ModelRecords], overrides: Sequence[str]
) -> Iterator[tuple[str, list[Cell], list[str]]]:
    """Yield name, cells, and notes of every sweep that names its models, as Table 7 does.

    Args:
        groups: All records of a scale; a model is recognized by its address in the records.
        overrides: `KEY=VALUES` overrides for every sweep.
    """
    finished = finished_seeds(record for group in groups for record in group.records)
    for name in SWEEPS:
        models = read_sweep(name).parameters.get(MODEL, ())
        cells = [
            cell
            for group in groups
            for model in models
            if model in group.addresses
            for cell in _SweepCells(group, overrides).possible(name, f"{MODEL}={model}")
        ]
        seeds = seeds_in_use(cells, finished, is_search=False)
        if cells := narrow_cells(cells, seeds, finished):
            yield name, cells, []


def _grid_command(item: Item, group: ModelRecords, overrides: Sequence[str]) -> str:
    """Return the command that trains the runs of an item's whole sweep.

    Args:
        item: The figure or table.
        group: The records, whose scale and model the runs have.
        overrides: `KEY=VALUES` overrides for every sweep; those of its own parameters narrow it.
    """
    names_models = MODEL in read_sweep(item.sweep).parameters
    given = [text for text in overrides if not text.startswith("scale=")]
    own = [*overrides_at(group.scale, item.sweep), *(() if names_models else group.overrides)]
    return command_line("grid", item.sweep, *replace_overrides(own, given))
