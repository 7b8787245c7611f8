"""The contest: the run that every contestant trains, and the gate that times its steps."""

import math
import time
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stablebert.config.schema import RunConfig
from stablebert.runs.run import LocatedRun
from stablebert.tasks import TASKS, Task
from stablebert.training.outcome import peak_memory

Scores = dict[str, float | int | None]
"""Scores of a whole run: `val_best`, `test_at_best`, `test_at_last` and `evaluations`."""

ON_CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_CUDA else "cpu")
HALF = torch.float16 if ON_CUDA else torch.bfloat16
"""Half-precision type of the device."""


def synchronize() -> None:
    """Wait until the GPU has finished its work."""
    if ON_CUDA:
        torch.cuda.synchronize()


class Gate:
    """A gate that a training loop passes in blocks of steps, each timed and started by the parent.

    Args:
        pipe: Connection to the parent, which gets a message after the warm-up and every block.
        warmup: Optimizer steps before the first block.
        steps: Optimizer steps per block.
    """

    def __init__(self, pipe: Connection, *, warmup: int, steps: int):
        self.pipe, self.warmup, self.steps = pipe, warmup, steps
        self._done = 0
        self._started = math.nan

    def step(self) -> None:
        """Count an optimizer step; call this after each one."""
        self._done += 1
        in_blocks = self._done - self.warmup
        if in_blocks < 0 or in_blocks % self.steps:
            return
        synchronize()
        seconds = time.perf_counter() - self._started
        self.pipe.send({"seconds": seconds, "peak_memory_bytes": peak_memory(DEVICE)})
        self.pipe.recv()
        self._started = time.perf_counter()


@dataclass(frozen=True)
class Contest:
    """The run that a contestant trains, and what it needs for that.

    Attributes:
        run: Configuration, data and model.
        mixed: Whether to train in mixed precision.
        work: Temporary folder.
        gate: Gate to pass after every step; None trains to the end, with evaluations.
    """

    run: LocatedRun
    mixed: bool
    work: Path
    gate: Gate | None

    @property
    def cfg(self) -> RunConfig:
        """Configuration of the run."""
        return self.run.cfg

    @property
    def task(self) -> Task:
        """Task of the run."""
        return TASKS[self.cfg.task]

    @cached_property
    def tokenizer(self) -> Any:
        """Tokenizer of the model."""
        from stablebert.models.tokenizer import load_tokenizer

        return load_tokenizer(self.run.model)

    def total_steps(self, rows: int) -> int:
        """Return the number of optimizer steps of a run on this many rows."""
        cfg = self.cfg.trainer
        return cfg.max_steps or (cfg.epochs or 0) * math.ceil(rows / cfg.batch_size)

    def datasets(self, padding: str | bool) -> dict[str, Any]:
        """Load our `train`, `val` and `test` splits, tokenized as in `run_glue.py`.

        Args:
            padding: Argument of the tokenizer.
        """
        import datasets

        from stablebert.glue.splits import split_rows

        def encode(rows: dict[str, list[str]]) -> Any:
            texts = [rows[column] for column in self.task.columns]
            length = self.cfg.data.max_length
            return self.tokenizer(*texts, padding=padding, truncation=True, max_length=length)

        datasets.disable_progress_bars()
        parts = ("train", self.task.dev_split)
        tables = {part: self.run.source.read(part) for part in parts}
        train, dev = (table.column("label").to_numpy() for table in tables.values())
        splits = split_rows(self.task, train, dev, self.run.source.held_out)
        return {
            name: datasets.Dataset(tables[part.source])
            .select(part.rows)
            .map(
                encode,
                batched=True,
                remove_columns=list(self.task.columns),
                cache_file_name=str(self.work / f"{name}.arrow"),
                new_fingerprint=f"{self.task.name}-{name}",
            )
            for name, part in splits.items()
        }

    def model(self, attention: str) -> Any:
        """Load the library's own model with the weights, head included, that ours starts from.

        Args:
            attention: Attention implementation of transformers: `eager` or `sdpa`.
        """
        from transformers import AutoModelForSequenceClassification

        from stablebert.models.loading import load_model

        labels = self.task.num_labels
        model = AutoModelForSequenceClassification.from_pretrained(
            self.run.model,
            num_labels=labels,
            problem_type="regression" if self.task.regression else "single_label_classification",
            dtype=torch.float32,
            attn_implementation=attention,
            ignore_mismatched_sizes=True,
            local_files_only=True,
            trust_remote_code=False,
        )
        start = load_model(self.run.model, num_labels=labels, seed=self.cfg.init_seed)
        model.load_state_dict(start.state_dict())
        torch.manual_seed(self.cfg.data_seed)
        return model

    def score(self, logits: torch.Tensor | np.ndarray, labels: torch.Tensor | np.ndarray) -> float:
        """Return the task's reported metric, computed by our own code.

        Args:
            logits: `(N, C)`.
            labels: `(N,)`.
        """
        from stablebert.glue.metrics import compute_metrics

        predictions, targets = (torch.as_tensor(values).float() for values in (logits, labels))
        targets = targets if self.task.regression else targets.long()
        metric = self.task.metric
        return compute_metrics([metric], predictions, targets)[metric.key]
