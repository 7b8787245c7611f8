"""Assignment of records to the cells that a sweep expects.

Records join on `config_id` and both seeds. Missing runs stay missing, records that do not belong
are listed, and a cell never mixes precisions or packings. Scores are x 100.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from stablebert.report.cells import Cell, describe_cell
from stablebert.report.chance import is_at_chance
from stablebert.report.records import ReportError
from stablebert.report.statistics.scores import FloatArray
from stablebert.runs.record import Key, RunRecord
from stablebert.runs.seeds import Seeds, format_seeds
from stablebert.text import count_of


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """A cell and its n finished runs."""

    cell: Cell
    records: tuple[RunRecord, ...]
    """Records of the runs, in the order of their seeds."""
    test: FloatArray
    """Test score with the weights of the best validation, x 100, shape `(n,)`."""
    val: FloatArray
    """Best validation score, x 100, shape `(n,)`."""
    missing: tuple[Seeds, ...]
    """Expected seeds without a record."""
    pruned: bool
    """True if validation selected these runs among seeds of which others have no record."""

    @property
    def n(self) -> int:
        """Number of finished runs."""
        return len(self.records)

    @property
    def is_complete(self) -> bool:
        """True if the cell has all its runs, and these were not selected by their scores."""
        return not (self.missing or self.pruned)

    @property
    def failed(self) -> int:
        """Number of runs that their record calls failed."""
        return sum(record.status != "ok" for record in self.records)

    @property
    def at_chance(self) -> int:
        """Number of runs that ended not significantly better than chance."""
        return sum(map(is_at_chance, self.records))


@dataclass(frozen=True, kw_only=True)
class JoinedRecords:
    """Results of all cells, and the records that belong to none."""

    results: list[CellResult]
    similar: list[str]
    """Records with the scale, task, method, and length of a cell, but another configuration or
    seed: one line per configuration."""
    unrelated: int
    """Number of all other records with the scale of a cell."""


def join_records(cells: Sequence[Cell], records: Iterable[RunRecord]) -> JoinedRecords:
    """Assign records to cells by configuration and seeds.

    Args:
        cells: Cells of a sweep.
        records: Records of this and other sweeps; of two with the same key the first counts.

    Raises:
        ReportError: If the runs of one cell obtained different precisions or packings.
    """
    expected_keys = {(cell.config_id, seeds) for cell in cells for seeds in cell.seeds}
    matches: dict[Key, RunRecord] = {}
    others: list[RunRecord] = []
    for record in records:
        if record.key in expected_keys:
            matches.setdefault(record.key, record)
        else:
            others.append(record)
    finished_keys = {*matches, *(record.key for record in others)}
    results = [_cell_result(cell, matches, finished_keys) for cell in cells]
    _refuse_mixtures(results)
    similar = _similar_records(cells, others)
    lines = [f"{' '.join(key)}: {format_seeds(seeds)}" for key, seeds in sorted(similar.items())]
    scales = {cell.scale for cell in cells}
    same_scale = sum(record.scale in scales for record in others)
    unrelated_count = same_scale - sum(map(len, similar.values()))
    return JoinedRecords(results=results, similar=lines, unrelated=unrelated_count)


def _cell_result(
    cell: Cell, matches: Mapping[Key, RunRecord], finished_keys: Set[Key]
) -> CellResult:
    keys = [(cell.config_id, seeds) for seeds in cell.seeds]
    records = tuple(matches[key] for key in keys if key in matches)
    return CellResult(
        cell=cell,
        records=records,
        test=100 * np.array([record.test_at_best for record in records], dtype=np.float64),
        val=100 * np.array([record.val_best for record in records], dtype=np.float64),
        missing=tuple(key[1] for key in keys if key not in matches),
        pruned=any(
            (cell.config_id, Seeds(*pair)) not in finished_keys
            for record in records
            for pair in record.pruned_from or ()
        ),
    )


def _refuse_mixtures(results: Sequence[CellResult]) -> None:
    problems = []
    for result in results:
        for name in ("precision", "packing"):
            counts = Counter(getattr(record, name) for record in result.records)
            if len(counts) > 1:
                kinds = ", ".join(
                    f"{kind} ({count_of(k, 'run')})" for kind, k in sorted(counts.items())
                )
                problems.append(f"{describe_cell(result.cell)}: runs differ in {name}: {kinds}")
    if problems:
        advice = "Scores of such runs are not averaged; rerun those of one kind with force=true."
        raise ReportError("\n".join([*problems, advice]))


def _similar_records(
    cells: Sequence[Cell], records: Iterable[RunRecord]
) -> dict[tuple[str, ...], list[Seeds]]:
    """Group seeds of records that resemble a cell by scale, task, method, length, `config_id`."""
    kinds = {(cell.scale, cell.task, cell.method, cell.length) for cell in cells}
    similar: dict[tuple[str, ...], list[Seeds]] = {}
    for record in records:
        kind = (record.scale, record.task, record.method, record.length)
        if kind in kinds:
            similar.setdefault((*kind, record.config_id), []).append(record.seeds)
    return similar
