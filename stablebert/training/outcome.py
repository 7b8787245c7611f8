"""What a run came to: whether it failed, what it predicted, and on what it ran."""

import math
import platform
import resource
import sys
from collections import Counter
from pathlib import Path

import torch

from stablebert.glue.metrics import compute_metrics, majority_score, predictions_from_logits
from stablebert.tasks import Task
from stablebert.training.loggers import finite
from stablebert.training.module import Predictions


def has_failed(task: Task, dev: Predictions) -> bool:
    """Mosbach et al. (2021): in the end no more accurate than the majority class; or not a number.

    For scores (STS-B): no positive correlation.
    """
    metric = "spearman" if task.regression else "accuracy"
    score = compute_metrics([metric], dev.logits, dev.labels)[metric]
    majority = majority_score(metric, dev.labels, num_labels=task.num_labels)
    rounding = 1e-6  # of torchmetrics, which computes shares in float32
    return math.isnan(score) or score <= majority + rounding


def nan_to_zero(score: float) -> float:
    """The score, or 0 where there is none."""
    return 0.0 if math.isnan(score) else score


def joined(val: Predictions, test: Predictions) -> Predictions:
    """The two halves of the dev set, together again."""
    return Predictions(torch.cat([val.logits, test.logits]), torch.cat([val.labels, test.labels]))


def count(task: Task, made: Predictions) -> dict[str, float | None]:
    """Predictions per class; for scores their mean, deviation and range."""
    guesses = predictions_from_logits(made.logits)
    if task.regression:
        shape = {
            "mean": guesses.mean(),
            "std": guesses.std(),
            "min": guesses.min(),
            "max": guesses.max(),
        }
        return {name: finite(value.item()) for name, value in shape.items()}
    counts = Counter(guesses.tolist())
    return {label: counts[i] for i, label in enumerate(task.labels)}


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that torch held on the GPU, or that the process held on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
