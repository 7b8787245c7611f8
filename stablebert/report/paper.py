"""The paper's own numbers, Tables 1 to 7, as printed: `results/paper.csv`."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
# A wheel carries the file beside this one, a checkout in results/; inside comes first, as of conf/.
_PLACES = (_HERE / "paper.csv", _HERE.parents[1] / "results" / "paper.csv")


@dataclass(frozen=True)
class Printed:
    """A number of the paper: texts as printed, scores x 100."""

    table: str
    row: str
    model: str
    """BERT (BERT-large), or one of Tables 6 and 7; empty of the data."""
    method: str
    """In our words, where the table is about one."""
    length: str
    task: str
    statistic: str
    """`test` and `dev` are mean scores; the rest says what it is."""
    value: str
    sd: str
    n: str
    note: str

    @property
    def text(self) -> str:
        """As a table shows it."""
        return f"{self.value} ± {self.sd}" if self.sd else self.value


@cache
def paper() -> tuple[Printed, ...]:
    """Every number; none where the file did not travel along."""
    for place in _PLACES:
        if place.is_file():
            with place.open(encoding="utf-8", newline="") as file:
                return tuple(Printed(**row) for row in csv.DictReader(file))
    return ()


@cache
def scores() -> Mapping[tuple[str, str, str, str], Printed]:
    """Mean test scores by (model, task, method, length); the model is BERT but in Table 7.

    Table 1 before 2, which copies from it and twice gets it wrong; Table 4's scores are of runs
    that the paper does not identify.
    """
    found: dict[tuple[str, str, str, str], Printed] = {}
    for printed in paper():
        if printed.table in ("1", "2", "5", "7") and printed.statistic == "test":
            row = (printed.model, printed.task, printed.method, printed.length)
            found.setdefault(row, printed)
    return found


def model_of(name: str) -> str:
    """What the paper calls a model of this hub id or folder: BERT, unless it is one of Table 7."""
    last = name.lower().rpartition("/")[2]
    return next((m for m in ("XLNet", "RoBERTa", "ELECTRA", "BART") if m.lower() in last), "BERT")


@cache
def data() -> Mapping[tuple[str, str], Printed]:
    """Table 3 by (task, statistic)."""
    return {(p.task, p.statistic): p for p in paper() if p.table == "3"}


def differs(ours: float, printed: str) -> bool:
    """Whether a number does not print as the paper's: 2,490 rows print as 2.5k, 0.529 as 52.9."""
    digits, unit = (printed[:-1], 1000.0) if printed.endswith("k") else (printed, 1.0)
    step: float = unit / 10 ** len(digits.partition(".")[2])
    return abs(ours - float(digits) * unit) > step / 2 + 1e-9
