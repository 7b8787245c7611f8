"""The numbers that the paper prints in Tables 1 to 7, from `results/paper.csv`."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


@cache
def paper_scores() -> Mapping[tuple[str, str, str, str], PaperNumber]:
    """Return mean test scores by (model, task, method, length).

    The model is BERT except in Table 7. Table 1 takes precedence over Table 2, which repeats some
    of its numbers and twice prints others. Table 4 is left out: the paper does not identify its
    runs.
    """
    scores: dict[tuple[str, str, str, str], PaperNumber] = {}
    for number in paper_numbers():
        if number.table in ("1", "2", "5", "7") and number.statistic == "test":
            key = (number.model, number.task, number.method, number.length)
            scores.setdefault(key, number)
    return scores


@cache
def paper_data() -> Mapping[tuple[str, str], PaperNumber]:
    """Return the numbers of Table 3 (the data) by (task, statistic)."""
    return {(p.task, p.statistic): p for p in paper_numbers() if p.table == "3"}


def paper_model(name: str) -> str:
    """Return the paper's name of a model, given its hub id or folder: BERT or one of Table 7."""
    last = name.lower().rpartition("/")[2]
    return next((m for m in ("XLNet", "RoBERTa", "ELECTRA", "BART") if m.lower() in last), "BERT")


def differs_from_printed(ours: float, printed: str) -> bool:
    """Return whether a number does not round to the printed one.

    Example:
        >>> differs_from_printed(2490, "2.5k"), differs_from_printed(52.81, "52.9")
        (False, True)
    """
    digits, unit = (printed[:-1], 1000.0) if printed.endswith("k") else (printed, 1.0)
    step: float = unit / 10 ** len(digits.partition(".")[2])
    return abs(ours - float(digits) * unit) > step / 2 + 1e-9
