"""The numbers that the paper prints in Tables 1 to 7, from `results/paper.csv`."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stablebert.report.cells import Cell

_HERE = Path(__file__).parent
# A wheel carries the file next to this module, a checkout has it in results/.
_LOCATIONS = (_HERE / "paper.csv", _HERE.parents[1] / "results" / "paper.csv")


@dataclass(frozen=True, kw_only=True)
class PaperNumber:
    """A number of the paper, with its texts as printed; scores are x 100."""

    table: str
    row: str
    model: str
    """BERT (BERT-large) or a model of Tables 6 and 7; empty for data."""
    method: str
    """Our name of the method, if the row is about one."""
    length: str
    task: str
    statistic: str
    """`test` and `dev` are mean scores; other names say what the number is."""
    value: str
    sd: str
    n: str
    note: str

    @property
    def text(self) -> str:
        """The number as tables show it: `72.6 ± 1.6`."""
        return f"{self.value} ± {self.sd}" if self.sd else self.value


@cache
def paper_numbers() -> tuple[PaperNumber, ...]:
    """Return all numbers of the paper, or none if the file is not installed."""
    for path in _LOCATIONS:
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                return tuple(PaperNumber(**row) for row in csv.DictReader(file))
    return ()


TABLES_OF_SCORES = ("1", "2", "5", "7")
"""Tables of mean test scores, the first taking precedence: Table 2 repeats some numbers of Table 1,
and prints others twice. Table 4 is left out: the paper does not identify its runs."""


def paper_score(cell: Cell, *, table: str, reference: str | None = None) -> PaperNumber | None:
    """Return the paper's mean test score of a cell's task, model, method, and length.

    Args:
        cell: The cell.
        table: Name of the report, such as `table2`; numbers of that table take precedence.
        reference: `reference_model` of the report's cells.
    """
    key = (reference or cell.paper_model or "", cell.task, cell.method, cell.length)
    tables = dict.fromkeys((table.removeprefix("table"), *TABLES_OF_SCORES))
    return next((_scores()[t, *key] for t in tables if (t, *key) in _scores()), None)


def reference_model(cells: Sequence[Cell]) -> str | None:
    """Return the model whose numbers stand for all cells, None if each has its own.

    At the scales demo and mini, no cell has the paper's data or model; a column that says so shows
    the numbers of BERT-large.
    """
    scales = {cell.scale for cell in cells}
    is_mini = scales <= {"demo", "mini"} and not any(cell.paper_model for cell in cells)
    return "BERT" if is_mini or "demo" in scales else None


@cache
def _scores() -> Mapping[tuple[str, ...], PaperNumber]:
    """Return mean test scores by (table, model, task, method, length)."""
    return {
        (p.table, p.model, p.task, p.method, p.length): p
        for p in paper_numbers()
        if p.table in TABLES_OF_SCORES and p.statistic == "test"
    }


@cache
def paper_data() -> Mapping[tuple[str, str], PaperNumber]:
    """Return the numbers of Table 3 (the data) by (task, statistic)."""
    return {(p.task, p.statistic): p for p in paper_numbers() if p.table == "3"}


def differs_from_printed(ours: float, printed: str) -> bool:
    """Return whether a number does not round to the printed one.

    Example:
        >>> differs_from_printed(2490, "2.5k"), differs_from_printed(52.81, "52.9")
        (False, True)
    """
    digits, unit = (printed[:-1], 1000.0) if printed.endswith("k") else (printed, 1.0)
    step: float = unit / 10 ** len(digits.partition(".")[2])
    return abs(ours - float(digits) * unit) > step / 2 + 1e-9
