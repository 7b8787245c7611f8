"""Soups: one model whose weights are the mean of those of several runs (Wortsman et al., 2022).

The mean is a running sum in float64, so memory holds one sum and one model, however many runs.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from stablebert.glue.metrics import compute_metrics
from stablebert.models.loading import load_model, load_weights
from stablebert.runs.record import Metrics, RunRecord
from stablebert.runs.run import LocatedRun
from stablebert.runs.soup import Soup, inputs_of
from stablebert.runs.weights import WeightsError, read_weights
from stablebert.tasks import TASKS
from stablebert.training.build import build_data, build_trainer, use_packing
from stablebert.training.fit import raise_if_terminated
from stablebert.training.loggers import finite_or_none
from stablebert.training.module import GlueClassifier
from stablebert.training.quiet import silence_libraries
from stablebert.version import versions

Weights = Iterable[tuple[str, np.ndarray]]
"""Names and arrays, in the same order for every run."""


class WeightSum:
    """Sum of the weights of several runs, in float64."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: dict[str, np.ndarray] = {}

    def add(self, weights: Weights) -> None:
        """Add the weights of a run."""
        for name, weight in weights:
            if name in self._sums:
                self._sums[name] += weight
            else:
                self._sums[name] = weight.astype(np.float64)
        self._count += 1

    def mean(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the mean in float32, one array at a time."""
        for name, total in self._sums.items():
            yield name, (total / self._count).astype(np.float32)

    def mean_with(self, weights: Weights) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the mean that there would be after adding the weights of another run."""
        for name, weight in weights:
            total = self._sums.get(name, 0.0) + weight.astype(np.float64)
            yield name, (total / (self._count + 1)).astype(np.float32)


def select_greedily(
    runs: Sequence[Weights], validate: Callable[[Weights], float]
) -> tuple[WeightSum, list[int]]:
    """Add runs to a mean in their order, each only if the validation score does not drop.

    Args:
        runs: Weights of runs, the best by validation first; each is read once or twice.
        validate: Function that returns the validation score of weights.

    Returns:
        Sum of the weights, and the indices of the runs in it.

    References:
        Wortsman et al., 2022, Model soups, Recipe 1, https://arxiv.org/abs/2203.05482
    """
    total, members, best = WeightSum(), [], -np.inf
    for i, weights in enumerate(runs):
        score = validate(total.mean_with(weights))
        if score >= best:
            total.add(weights)
            members.append(i)
            best = score
    return total, members


def make_soup(runs: Sequence[LocatedRun], records: Sequence[RunRecord]) -> Soup:
    """Average the weights of the runs of a cell, and score the means on validation and test.

    Args:
        runs: Runs that differ only in their seeds, and whose folders hold their weights.
        records: Their records, in the same order.

    Raises:
        WeightsError: If weights are missing or damaged, or do not fit the model.
    """
    start, metric = time.monotonic(), records[0].metric
    scorer = _Scorer(runs[0])
    pairs = sorted(zip(runs, records, strict=True), key=lambda pair: -pair[1].val_best)
    weights = [_StoredWeights(run.folder, record) for run, record in pairs]
    uniform = WeightSum()
    for each in weights:
        uniform.add(each)
    metrics = {
        "val_uniform": scorer.metrics_of(uniform.mean(), "val"),
        "test_uniform": scorer.metrics_of(uniform.mean(), "test"),
    }
    del uniform  # before the next sum is in memory
    greedy, members = select_greedily(
        weights, lambda candidate: scorer.metrics_of(candidate, "val")[metric] or 0.0
    )
    metrics["val_greedy"] = scorer.metrics_of(greedy.mean(), "val")
    metrics["test_greedy"] = scorer.metrics_of(greedy.mean(), "test")
    return Soup(
        config_id=runs[0].config_id,
        metric=metric,
        inputs=inputs_of(records),
        greedy=[pairs[i][0].folder.name for i in members],
        metrics=metrics,
        precision=str(scorer.trainer.precision),
        packing="packed" if scorer.data.packed else "padded",
        seconds=round(time.monotonic() - start, 3),
        versions=versions(),
    )


@dataclass(frozen=True)
class _StoredWeights:
    """The weights of a run, read from their file by each iteration."""

    folder: Path
    record: RunRecord

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        return read_weights(self.folder, self.record)


class _Scorer:
    """Model of a cell that takes weights and is scored as its runs were.

    Args:
        run: Any run of the cell.
    """

    def __init__(self, run: LocatedRun):
        cfg, task = run.cfg, TASKS[run.cfg.task]
        silence_libraries()
        if cfg.trainer.threads is not None:
            torch.set_num_threads(cfg.trainer.threads)
        model = load_model(run.model, num_labels=task.num_labels, seed=cfg.init_seed)
        self._module = GlueClassifier(model, metrics=task.metrics)
        self._task = task
        self._cell = run.folder.parent
        self.data = build_data(run, packed=use_packing(cfg, self._module))
        self.trainer = build_trainer(cfg, [], [])

    def metrics_of(self, weights: Weights, split: Literal["val", "test"]) -> Metrics:
        """Return every metric of the task on a split."""
        try:
            load_weights(self._module.model, weights)
        except ValueError as error:
            raise WeightsError(
                f"{self._cell}: {error}; no soup of these runs is possible"
            ) from error
        run_pass = self.trainer.validate if split == "val" else self.trainer.test
        run_pass(self._module, datamodule=self.data, verbose=False)
        raise_if_terminated(self.trainer)
        part = self._module.predictions[split]
        scores = compute_metrics(self._task.metrics, part.logits, part.labels)
        return {name: finite_or_none(score) for name, score in scores.items()}
