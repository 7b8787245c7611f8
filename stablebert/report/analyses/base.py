"""Types that the analyses of a report share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from stablebert.report.cell_predictions import CellPredictions, stack_predictions
from stablebert.report.cells import Cell, varying_parameters
from stablebert.report.compare import AnalyzedCell, Comparison
from stablebert.report.export import key_columns, key_values
from stablebert.report.files import csv_text
from stablebert.report.histories import load_histories
from stablebert.report.join import CellResult
from stablebert.report.predictions import load_predictions
from stablebert.report.render import Table
from stablebert.report.shared import SharedFiles
from stablebert.report.statistics.scores import Interval
from stablebert.report.tables import row_labels
from stablebert.runs.history import History
from stablebert.runs.predictions import RunPredictions
from stablebert.runs.record import Key


@dataclass(frozen=True, kw_only=True)
class Request:
    """The analyses that a user asks for, and their options."""

    names: Sequence[str] = ()
    """Names of analyses to print."""
    roots: Sequence[Path] = ()
    """Folders of the records, next to which their predictions are."""
    margin: float = 1.0
    """Largest difference of means that does not matter, in points (score x 100)."""
    target: float | None = None
    """Validation score to reach, in points; None for the best mean of each task."""
    files: SharedFiles | None = None
    """Files next to the records of several reports; None to read those of one."""


@dataclass(frozen=True, kw_only=True)
class Basis:
    """The cells of a report, and everything else that an analysis may use."""

    rows: Sequence[AnalyzedCell]
    """All cells of the report."""
    request: Request
    name: str = ""
    """Name of the report, such as `table2`."""

    @property
    def results(self) -> list[CellResult]:
        """Results of all cells."""
        return [row.result for row in self.rows]

    @property
    def results_with_runs(self) -> list[CellResult]:
        """Results of the cells that have a run."""
        return [result for result in self.results if result.n]

    @property
    def cells(self) -> list[Cell]:
        """All cells."""
        return [row.cell for row in self.rows]

    @property
    def labels(self) -> list[str]:
        """Parameters that distinguish cells of the same task."""
        return row_labels(self.cells)

    @cached_property
    def predictions(self) -> tuple[dict[Key, RunPredictions], list[str]]:
        """Predictions by run, and problems with them; files are read on first use."""
        records = [record for result in self.results for record in result.records]
        if self.request.files:
            return self.request.files.predictions_of(records)
        return load_predictions(records, *self.request.roots)

    @cached_property
    def histories(self) -> tuple[dict[Key, History], list[str]]:
        """Histories by run, and problems with them; files are read on first use."""
        records = [record for result in self.results for record in result.records]
        if self.request.files:
            return self.request.files.histories_of(records)
        return load_histories(records, *self.request.roots)

    @cached_property
    def cell_predictions(self) -> list[CellPredictions]:
        """Test predictions of all cells, in the order of `rows`."""
        predictions, _ = self.predictions
        return [stack_predictions(result, predictions) for result in self.results]

    def comparisons(self) -> list[tuple[Comparison, CellResult, CellResult]]:
        """Return every comparison of the report with the results of its baseline and its cell.

        Both are complete and have the same seeds, so their scores are pairs in order.
        """
        by_cell = {id(result.cell): result for result in self.results}
        return [
            (row.comparison, by_cell[id(row.comparison.baseline)], row.result)
            for row in self.rows
            if isinstance(row.comparison, Comparison)
        ]


@dataclass(frozen=True, kw_only=True)
class Number:
    """A line of an analysis's CSV file."""

    cell: Cell
    quantity: str
    """Name of the number, such as `difference`."""
    value: float | str | Interval
    baseline: Cell | None = None
    """Cell with which `cell` is compared."""
    level: str = ""
    """What the number is about within the cell, such as a seed."""


def numbers_by_name(
    cell: Cell,
    values: Mapping[str, float | str | Interval | None],
    *,
    baseline: Cell | None = None,
    level: str = "",
) -> list[Number]:
    """Return a line per value, by the name of its quantity; values that are None have none."""
    return [
        Number(cell=cell, quantity=name, value=value, baseline=baseline, level=level)
        for name, value in values.items()
        if value is not None
    ]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The result of an analysis."""

    tables: Sequence[Table]
    sentences: Sequence[str]
    """Conclusions first, then definitions."""
    numbers: Sequence[Number]
    """All numbers, unrounded. Scores are x 100."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """An analysis that reports offer."""

    name: str
    summary: str
    """One line for the help."""
    obstacle: Callable[[Basis], str]
    """Returns why the analysis does not apply to a report, empty if it does. It must be fast and
    read no file."""
    analyze: Callable[[Basis], Findings]
    """Called only if there is no obstacle."""


def numbers_csv(numbers: Sequence[Number], cells: Sequence[Cell]) -> str:
    """Return one line per number, with the parameters of its cell.

    Args:
        numbers: Numbers of an analysis.
        cells: All cells of the report, which decide the columns.
    """
    keys = key_columns(varying_parameters(cells))
    columns = [*keys, "config_id", "baseline", "quantity", "level", "value", "low", "high"]
    return csv_text(columns, (_csv_line(number, keys) for number in numbers))


def _csv_line(number: Number, keys: Sequence[str]) -> Mapping[str, object]:
    value = number.value
    return {
        **key_values(number.cell, keys),
        "baseline": number.baseline.config_id if number.baseline else None,
        "quantity": number.quantity,
        "level": number.level,
        **(asdict(value) if isinstance(value, Interval) else {"value": value}),
    }
