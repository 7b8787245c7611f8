"""The part of a sweep that has been run: its cells with runs, and the seeds that they share."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from stablebert.report.cells import Cell
from stablebert.runs.record import RunRecord
from stablebert.runs.seeds import Seeds

FinishedSeeds = Mapping[str, Set[Seeds]]
"""Seeds of finished runs by `config_id`."""


def finished_seeds(records: Iterable[RunRecord]) -> FinishedSeeds:
    """Return the seeds of finished runs by `config_id`."""
    finished: dict[str, set[Seeds]] = {}
    for record in records:
        finished.setdefault(record.config_id, set()).add(record.seeds)
    return finished


def seeds_in_use(
    cells: Sequence[Cell], finished: FinishedSeeds, *, is_search: bool
) -> dict[str, set[Seeds]]:
    """Return the seeds that count for each task, so that small but complete grids get verdicts.

    1. The sweep's own seeds count. Only in a search, and only if more cells have runs with other
       seeds (searches use 100 and up), those count instead.
    2. Of these, a seed counts if at least half of the task's cells with runs have it: the runs
       that one cell shares with a larger sweep do not make all others incomplete.
    3. If a cell has none of them, the seeds of all cells count.

    Args:
        cells: Cells of a sweep, all of one scale, with the sweep's own seeds.
        finished: Seeds of finished runs.
        is_search: True if the sweep varies a hyperparameter.
    """
    tasks: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.config_id in finished:
            tasks.setdefault(cell.task, []).append(cell)
    return {task: _seeds_of_task(own, finished, is_search=is_search) for task, own in tasks.items()}


def _seeds_of_task(
    cells: Sequence[Cell], finished: FinishedSeeds, *, is_search: bool
) -> set[Seeds]:
    own = [x for cell in cells if (x := finished[cell.config_id] & set(cell.seeds))]
    others = [x for cell in cells if (x := _other_seeds(cell, finished[cell.config_id]))]
    uses_others = is_search and len(others) > len(own)
    groups = others if uses_others else own
    counts = Counter(seed for seeds in groups for seed in seeds)
    shared = {seed for seed, count in counts.items() if 2 * count >= len(groups)}
    if not uses_others and not all(seeds & shared for seeds in groups):
        return set(counts)
    return shared


def _other_seeds(cell: Cell, seeds: Set[Seeds]) -> set[Seeds]:
    """Return seeds that a cell does not expect, but as pairs only where it expects pairs."""
    has_pairs = any(x.init != x.data for x in cell.seeds)
    return {x for x in seeds - {*cell.seeds} if has_pairs or x.init == x.data}


def narrow_cells(
    cells: Iterable[Cell], seeds: Mapping[str, Set[Seeds]], finished: FinishedSeeds
) -> list[Cell]:
    """Return the cells that have any of the seeds in use, and expect all of them.

    Args:
        cells: Cells of a sweep.
        seeds: Seeds in use by task.
        finished: Seeds of finished runs.
    """
    return [
        replace(cell, seeds=tuple(sorted(seeds[cell.task])))
        for cell in cells
        if finished.get(cell.config_id, set()) & seeds.get(cell.task, set())
    ]


def runs_of(cells: Iterable[Cell], finished: FinishedSeeds) -> dict[str, set[tuple[str, Seeds]]]:
    """Return the finished runs of cells by task."""
    runs: dict[str, set[tuple[str, Seeds]]] = {}
    for cell in cells:
        pairs = {(cell.config_id, x) for x in finished.get(cell.config_id, set()) & {*cell.seeds}}
        runs.setdefault(cell.task, set()).update(pairs)
    return runs


def replace_depths(
    cells: Sequence[Cell], depths: Sequence[Cell], finished: FinishedSeeds
) -> tuple[list[Cell], list[str]]:
    """Replace a depth of Re-init without runs by the only one that has runs of the sweep's seeds.

    `stablebert select` may have chosen it on another machine, or the command line of the runs.

    Args:
        cells: Cells of a sweep that does not vary the depth.
        depths: Cells of other depths.
        finished: Seeds of finished runs.

    Returns:
        The cells, and one line per depth that is not the configured one.
    """
    result, notes = [], []
    for cell in cells:
        alternatives = {
            depth.config_id: depth
            for depth in depths
            if depth.identity == cell.identity
            and finished.get(depth.config_id, set()) & {*cell.seeds}
        }
        if len(alternatives) != 1 or finished.get(cell.config_id, set()) & {*cell.seeds}:
            result.append(cell)
            continue
        (depth,) = alternatives.values()
        layers = depth.params["reinit.num_layers"]
        notes.append(
            f"{cell.task} {cell.method} {cell.length}: reinit.num_layers={layers}, the only depth "
            "with runs of these seeds, and not the configured one"
        )
        result.append(replace(cell, config_id=depth.config_id))
    return result, notes
