"""The outcome of a run in memory, and the record made from it."""

import math
import platform
import resource
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from stablebert.glue.datamodule import GlueDataModule
from stablebert.glue.metrics import compute_metrics, majority_score, predictions_from_logits
from stablebert.machine import processor_name, slurm_job
from stablebert.runs.files import RESULT
from stablebert.runs.predictions import RowPredictions, RunPredictions, digest_of
from stablebert.runs.record import Metrics, RecordError, RunRecord, read_record
from stablebert.runs.run import LocatedRun
from stablebert.runs.seeds import Seeds
from stablebert.tasks import TASKS, Task
from stablebert.training.loggers import finite_or_none
from stablebert.training.module import Predictions
from stablebert.version import versions


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything that a run produced, still in memory.

    Fields that are also in `RunRecord` have the same meaning.
    """

    model: nn.Module
    """The trained model, with its best weights."""
    val_at_best: dict[str, float]
    """Validation metrics of the best weights; empty if every validation score was NaN."""
    best_step: int | None
    val_at_last: Predictions
    test_at_last: Predictions
    test_at_best: Predictions
    predictions: RunPredictions
    splits: dict[str, dict[str, Any]]
    steps: int
    skipped_steps: int
    evaluations: int
    precision: str
    packing: str
    padding_efficiency: float
    threads: int
    seconds: dict[str, float]
    peak_memory_bytes: int
    device: str
    uses_gpu: bool


def make_record(run: LocatedRun, outcome: Outcome, pruned_from: Sequence[Seeds] = ()) -> RunRecord:
    """Make the record of a run: scores, failure, predicted classes, and how it was obtained."""
    cfg, task = run.cfg, TASKS[run.cfg.task]
    val, test = outcome.val_at_last, outcome.test_at_last
    dev = test if task.holds_out else concatenate(val, test)
    splits = {"val": val, "test": test, "dev": dev}
    places = {"test_at_best": outcome.test_at_best, "test_at_last": test, "dev_at_last": dev}
    scores = {
        "val_at_best": {m.key: outcome.val_at_best.get(m.key, math.nan) for m in task.metrics},
        **{place: _scores(task, predictions) for place, predictions in places.items()},
    }
    # a run without a number is a failed run with score 0, never a gap in a mean
    score = {place: nan_to_zero(values[task.metric.key]) for place, values in scores.items()}
    return RunRecord(
        task=cfg.task,
        method=cfg.method,
        length=cfg.length,
        scale=cfg.scale,
        seed=cfg.init_seed if cfg.init_seed == cfg.data_seed else cfg.seed,
        seed_init=cfg.init_seed,
        seed_data=cfg.data_seed,
        config_id=run.config_id,
        metric=task.metric.key,
        status="failed" if has_failed(task, dev) else "ok",
        val_best=score["val_at_best"],
        val_best_step=outcome.best_step,
        test_at_best=score["test_at_best"],
        test_at_last=score["test_at_last"],
        metrics={place: _without_nan(values) for place, values in scores.items()},
        majority=_majority_scores(task, splits),
        predictions={
            place: count_predictions(task, predictions) for place, predictions in places.items()
        },
        splits=outcome.splits,
        steps=outcome.steps,
        skipped_steps=outcome.skipped_steps,
        evaluations=outcome.evaluations,
        precision=outcome.precision,
        packing=outcome.packing,
        padding_efficiency=outcome.padding_efficiency,
        threads=outcome.threads,
        seconds=outcome.seconds,
        peak_memory_bytes=outcome.peak_memory_bytes,
        device=outcome.device,
        data=run.source.identity,
        model=run.model_identity,
        versions=versions(),
        start=_origin(run.start) if run.start else None,
        pruned_from=[list(seeds) for seeds in pruned_from] or None,
        data_address=run.source.content.address,
        model_address=run.model_content.address,
        predictions_digest=digest_of(outcome.predictions),
        node=platform.node(),
        job=slurm_job(),
        gpu_seconds=round(sum(outcome.seconds.values()), 3) if outcome.uses_gpu else 0.0,
    )


def _scores(task: Task, predictions: Predictions) -> dict[str, float]:
    return compute_metrics(task.metrics, predictions.logits, predictions.labels)


def _majority_scores(task: Task, splits: dict[str, Predictions]) -> dict[str, float]:
    """Return the scores of the majority class, and its accuracy if a test of chance needs it."""
    scores = {
        split: majority_score(task.metric, part.labels, num_labels=task.num_labels)
        for split, part in splits.items()
    }
    if task.metric.class_name and not task.regression:
        labels = splits["dev"].labels
        scores["dev_accuracy"] = majority_score("accuracy", labels, num_labels=task.num_labels)
    return scores


def _without_nan(metrics: dict[str, float]) -> Metrics:
    return {name: finite_or_none(value) for name, value in metrics.items()}


def _origin(start: LocatedRun) -> dict[str, Any]:
    """Describe the run that another one started from."""
    record = read_record(start.folder)
    if record is None:
        reason = "deleted while a run that starts from its encoder was trained; rerun the command"
        raise RecordError(f"{start.folder / RESULT}: {reason}")
    return {
        "task": record.task,
        "config_id": record.config_id,
        "seed": record.seed,
        "val_best": record.val_best,
        "seconds": round(sum(record.seconds.values()), 3),
    }


def has_failed(task: Task, dev: Predictions) -> bool:
    """Return whether a run failed: NaN, or no more accurate than the majority class.

    A regression (STS-B) fails without a positive correlation.

    Args:
        task: The task.
        dev: Predictions of the last weights on the whole dev set.

    References:
        Mosbach et al., 2021, On the Stability of Fine-tuning BERT, https://arxiv.org/abs/2006.04884
    """
    metric = "spearman" if task.regression else "accuracy"
    score = compute_metrics([metric], dev.logits, dev.labels)[metric]
    majority = majority_score(metric, dev.labels, num_labels=task.num_labels)
    rounding = 1e-6  # torchmetrics computes fractions in float32
    return math.isnan(score) or score <= majority + rounding


def nan_to_zero(score: float) -> float:
    """Return the score, or 0 for a NaN."""
    return 0.0 if math.isnan(score) else score


def concatenate(val: Predictions, test: Predictions) -> Predictions:
    """Join the two halves of the dev set."""
    return Predictions(torch.cat([val.logits, test.logits]), torch.cat([val.labels, test.labels]))


def in_row_order(data: GlueDataModule, split: str, predictions: Predictions) -> RowPredictions:
    """Return the predictions of a pass with row numbers, in the order of the source.

    Args:
        data: Data module that gave the batches, longest rows first.
        split: `val` or `test`.
        predictions: Predictions of the pass.

    Raises:
        ValueError: If they are not of the rows of the split, in the order of the batches.
    """
    labels = predictions.labels.numpy()
    if not np.array_equal(labels, data.labels(split)):
        raise ValueError(f"the predictions of {split} are not in the order of its batches")
    rows = data.sets[split].rows
    order = np.argsort(rows)
    return RowPredictions(
        source=data.parts[split].source,
        rows=rows[order].astype(np.int32),
        labels=labels[order].astype(np.float32),
        logits=predictions.logits.numpy()[order],
    )


def count_predictions(task: Task, predictions: Predictions) -> Metrics:
    """Count the predictions per class; for a regression return their mean, std, min and max."""
    values = predictions_from_logits(predictions.logits)
    if task.regression:
        shape = {
            "mean": values.mean(),
            "std": values.std(),
            "min": values.min(),
            "max": values.max(),
        }
        return {name: finite_or_none(value.item()) for name, value in shape.items()}
    counts = Counter(values.tolist())
    return {label: counts[i] for i, label in enumerate(task.labels)}


def peak_memory(device: torch.device) -> int:
    """Return the peak memory in bytes: torch's on a GPU, or the process's on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
