"""The scores of averaged weights: one file for each set of seeds of a cell."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from stablebert.filesystem import read_bytes
from stablebert.runs.files import write_json
from stablebert.runs.record import Metrics, RecordError, RunRecord
from stablebert.runs.seeds import Seeds
from stablebert.runs.strict_json import (
    CHANGED,
    check_fields,
    parse_object,
    pop_digest,
    with_digest,
)
from stablebert.tasks.metrics import is_metric_key, lowest_and_highest

PLACES = ("val_uniform", "test_uniform", "val_greedy", "test_greedy")


@dataclass(frozen=True, kw_only=True)
class Soup:
    """The mean of the weights of a cell's runs (uniform), and of some of them (greedy)."""

    config_id: str
    metric: str
    """Name of the reported metric."""
    inputs: dict[str, str]
    """Digest of the predictions of each run, by the name of its folder."""
    greedy: list[str]
    """Folders of the runs in the greedy soup, in the order in which they were added."""
    metrics: dict[str, Metrics]
    """Every metric of the task at `PLACES`."""
    precision: str
    packing: str
    seconds: float
    versions: dict[str, str | None]

    def score(self, place: str) -> float:
        """Return the reported metric at a place; 0 for a NaN, as in the record of a run."""
        return self.metrics[place][self.metric] or 0.0


def inputs_of(records: Iterable[RunRecord]) -> dict[str, str]:
    """Return what identifies the weights of runs, as `Soup.inputs`."""
    return {record.seeds.folder: str(record.predictions_digest) for record in records}


def soup_file(cell: Path, seeds: Iterable[Seeds]) -> Path:
    """Return the file of the soup of some seeds in the folder of their cell."""
    names = " ".join(pair.folder for pair in sorted(seeds))
    return cell / f"soup-{hashlib.sha256(names.encode()).hexdigest()[:10]}.json"


def write_soup(path: Path, soup: Soup) -> None:
    """Write a soup whole or not at all, in place of an older one."""
    write_json(path, with_digest(asdict(soup)))


def read_soup(path: Path, *, config_id: str, seeds: Iterable[Seeds]) -> Soup | None:
    """Read the soup of some seeds of a cell; None if there is none.

    Raises:
        RecordError: If the file exists but does not hold such a soup.
    """
    try:
        soup = _parse_soup(read_bytes(path))
        if soup.config_id != config_id or soup.inputs.keys() != {pair.folder for pair in seeds}:
            raise ValueError("the soup of other runs")
        return soup
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise RecordError(f"{path}: {error}; delete it and rerun `stablebert soup`") from error


def _parse_soup(text: bytes) -> Soup:
    data = parse_object(text)
    has_changed = pop_digest(data)
    check_fields(data, Soup, "a soup")
    soup = Soup(**data)
    if has_changed:
        raise ValueError(CHANGED)
    if soup.metrics.keys() != {*PLACES} or not all(
        _is_possible(name, score, soup.metric)
        for metrics in soup.metrics.values()
        for name, score in metrics.items()
    ):
        raise ValueError(f"impossible scores: {soup.metrics}")
    if any(soup.metric not in metrics for metrics in soup.metrics.values()):
        raise ValueError(f"no scores of {soup.metric}")
    if not soup.greedy or not {*soup.greedy} <= soup.inputs.keys():
        raise ValueError(f"greedy={soup.greedy} are not some of its runs")
    return soup


def _is_possible(name: str, score: float | None, reported: str) -> bool:
    low, high = lowest_and_highest(name, reported=reported)
    rounding = 1e-6  # torchmetrics computes in float32
    is_in_range = score is None or low - rounding <= score <= high + rounding
    return is_metric_key(name) and is_in_range
