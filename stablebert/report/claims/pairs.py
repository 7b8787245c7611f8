"""Pairs of cells that a claim compares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from stablebert.report.cells import MODEL, Cell, parameter_text, task_title, varying_parameters
from stablebert.report.claims.base import Reports
from stablebert.report.compare import Comparison, compare_pairs, obstacle_between
from stablebert.report.join import CellResult

Selector = Callable[[Cell], bool]
Pair = tuple[CellResult, CellResult]
"""Results of a baseline and of a cell."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs by task, and the reasons why others cannot be compared."""

    by_subject: Mapping[str, Pair]
    obstacles: Mapping[str, str]

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Comparisons of all pairs, in order, with one correction over all of them."""
        return compare_pairs(list(self.by_subject.values()))

    @property
    def results(self) -> list[CellResult]:
        """Results of all cells that can be compared."""
        return [result for pair in self.by_subject.values() for result in pair]


def results_of(reports: Reports, *sweeps: str) -> list[CellResult]:
    """Return the results of some sweeps, each configuration once."""
    results = [r for name in sweeps if name in reports for r in reports[name].basis.results]
    by_config: dict[str, CellResult] = {}
    for result in results:
        by_config.setdefault(result.cell.config_id, result)
    return list(by_config.values())


def cells_with(*, method: str, length: str = "") -> Selector:
    """Return a selector of the cells with a method, and with a length if it is given."""
    return lambda cell: cell.method == method and length in ("", cell.length)


STANDARD = cells_with(method="standard", length="3epochs")
"""The baseline of most claims."""


def pair_cells(
    results: Sequence[CellResult],
    *,
    base: Selector,
    other: Selector,
    own: Sequence[str] = (),
) -> Pairs:
    """Pair every cell of one kind with the one of another kind that shares everything else.

    Args:
        results: All candidates.
        base: Selects baselines.
        other: Selects the cells to compare with them.
        own: Parameters in which the two kinds differ, besides method and length.
    """
    others = [r for r in results if other(r.cell)]
    candidates = [*others, *(r for r in results if base(r.cell))]
    parameters = varying_parameters([r.cell for r in candidates])
    shared = [key for key in parameters if key not in own]

    def key_of(cell: Cell) -> tuple[str, ...]:
        return (cell.task, cell.scale, *(parameter_text(cell, key) for key in shared))

    own_keys = [key for key in own if len({parameter_text(r.cell, key) for r in others}) > 1]
    bases = {key_of(r.cell): r for r in candidates if base(r.cell)}
    pairs: dict[str, Pair] = {}
    obstacles: dict[str, str] = {}
    for result in others:
        subject = _subject(result.cell, [*shared, *own_keys])
        if not (match := bases.get(key_of(result.cell))):
            obstacles[subject] = "no runs of its baseline"
        elif reason := obstacle_between(match, result):
            obstacles[subject] = reason
        else:
            pairs[subject] = (match, result)
    return Pairs(by_subject=pairs, obstacles=obstacles)


def _subject(cell: Cell, parameters: Sequence[str]) -> str:
    """Return the name of a pair: `RTE`, or `RTE with XLNet` where other parameters vary."""
    texts = [
        cell.paper_model or parameter_text(cell, key)
        if key == MODEL
        else f"{key}={parameter_text(cell, key)}"
        for key in parameters
        if parameter_text(cell, key) != "-"
    ]
    title = task_title(cell.task, cell.scale)
    return f"{title} with {', '.join(texts)}" if texts else title
