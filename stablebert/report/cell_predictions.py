"""Test predictions of a cell's runs as arrays, at the weights that give their test scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stablebert.report.cells import describe_cell
from stablebert.report.join import CellResult
from stablebert.report.statistics.metrics import predictions_of_runs
from stablebert.report.statistics.noise import MIN_ROWS, VarianceSplit, split_variance
from stablebert.report.statistics.scores import MIN_RUNS, FloatArray
from stablebert.runs.predictions import RowPredictions, RunPredictions
from stablebert.runs.record import Key, RunRecord
from stablebert.runs.seeds import format_seeds
from stablebert.tasks import TASKS
from stablebert.tasks.metrics import METRICS, Metric


@dataclass(frozen=True, kw_only=True)
class CellPredictions:
    """Test predictions of n runs of a cell for N rows, with the weights of the best validation."""

    result: CellResult
    positions: NDArray[np.intp]
    """Positions of these runs among all runs of the cell, `(n,)`."""
    logits: FloatArray
    """`(n, N, C)`. NaN for a run whose validation scores were all NaN, so that it has no best
    weights."""
    labels: FloatArray
    """`(N,)`."""
    problems: tuple[str, ...]
    """Runs whose predictions cannot be used."""

    @property
    def metric(self) -> Metric:
        """Metric of the scores."""
        key = self.result.records[0].metric
        return METRICS[key] if key in METRICS else TASKS[self.result.cell.task].metric

    @property
    def absent(self) -> int:
        """Number of runs of the cell without predictions."""
        return self.result.n - len(self.positions)

    @cached_property
    def is_finite(self) -> NDArray[np.bool_]:
        """True for runs whose logits are all finite, `(n,)`."""
        return np.array([np.isfinite(run).all() for run in self.logits], dtype=np.bool_)

    @property
    def not_finite(self) -> int:
        """Number of these runs with a logit that is not finite."""
        return int((~self.is_finite).sum())

    @property
    def is_slow(self) -> bool:
        """True for a torchmetrics class of a regression: scores without each row take too long."""
        return bool(len(self.positions) and self.metric.class_name and self.logits.shape[2] == 1)

    @cached_property
    def split(self) -> VarianceSplit | None:
        """Variance of the scores, split; None with fewer than `MIN_RUNS` runs, or `MIN_ROWS`.

        Also None for runs that validation selected: they do not vary like those of all seeds. And
        None if `is_slow`.
        """
        is_small = len(self.positions) < MIN_RUNS or len(self.labels) < MIN_ROWS
        if self.result.pruned or is_small or self.is_slow:
            return None
        return split_variance(self.metric, predictions_of_runs(self.logits), self.labels)


def stack_predictions(
    result: CellResult, predictions: Mapping[Key, RunPredictions]
) -> CellPredictions:
    """Return the test predictions of a cell's runs.

    Args:
        result: The cell and its runs.
        predictions: Predictions by run. Runs that they lack are left out, and so are runs that were
            tested on other rows than the first one.
    """
    parts = {
        i: part
        for i, record in enumerate(result.records)
        if (part := _part_at_best(predictions.get(record.key, {})))
    }
    first = next(iter(parts.values()), None)
    strangers = [i for i, part in parts.items() if first and not have_equal_rows(first, part)]
    members = {i: part for i, part in parts.items() if i not in strangers}
    return CellPredictions(
        result=result,
        positions=np.array(list(members), dtype=np.intp),
        logits=np.array([part.logits for part in members.values()], dtype=np.float64),
        labels=np.array(first.labels if first else [], dtype=np.float64),
        problems=_describe_strangers(result, [result.records[i] for i in strangers]),
    )


def _part_at_best(predictions: RunPredictions) -> RowPredictions | None:
    """Return the test predictions at the best weights, NaN if the run has no best weights."""
    if part := predictions.get("test_at_best"):
        return part
    if last := predictions.get("test_at_last"):
        return RowPredictions(
            last.source, last.rows, last.labels, logits=np.full_like(last.logits, np.nan)
        )
    return None


def have_equal_rows(a: RowPredictions, b: RowPredictions) -> bool:
    """Return whether predictions are of the same rows of the same data."""
    return (
        a.source == b.source
        and a.logits.shape == b.logits.shape
        and np.array_equal(a.rows, b.rows)
        and np.array_equal(a.labels, b.labels)
    )


def _describe_strangers(result: CellResult, records: list[RunRecord]) -> tuple[str, ...]:
    if not records:
        return ()
    seeds = format_seeds([record.seeds for record in records])
    text = "tested on different rows than the first run; their predictions are left out"
    return (f"{describe_cell(result.cell)}: seeds {seeds}: {text}",)
