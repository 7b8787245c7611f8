"""Hugging Face's Trainer, as documented and as an expert would set it for speed.

This module alone uses private names of transformers.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import transformers

from benchmarks.contest import ON_CUDA, Contest, Scores
from stablebert.glue.batches import Permutations


def hf_default(contest: Contest) -> Callable[[], Scores]:
    """Prepare the Trainer with the flags that the README of `run_glue.py` gives for GLUE.

    Padding to 128 (its default), SDPA, the fused AdamW that is the Trainer's default, evaluation in
    batches of 8, logging and a checkpoint every 500 steps, a checkpoint and the model at the end.
    """
    trainer, data = build_trainer(contest, padding="max_length", settings={})

    def train() -> Scores:
        trainer.train()
        trainer.save_model()  # as run_glue.py does
        return collect_scores(trainer, data["test"])

    return train


def hf_tuned(contest: Contest) -> Callable[[], Scores]:
    """Prepare the Trainer as an expert would for speed, with the same precision and batches."""
    settings = {
        "optim": "adamw_torch_fused",
        "save_strategy": "no",
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,  # it waits for the GPU in every step
        "disable_tqdm": True,
        "per_device_eval_batch_size": 64,
    }
    if ON_CUDA:
        settings |= {"dataloader_num_workers": 2, "tf32": False}
    trainer, data = build_trainer(contest, padding=False, settings=settings)

    def train() -> Scores:
        trainer.train()
        return collect_scores(trainer, data["test"])

    return train


def build_trainer(
    contest: Contest, *, padding: str | bool, settings: dict[str, Any]
) -> tuple[transformers.Trainer, dict[str, Any]]:
    """Build a Trainer with our data order.

    Args:
        contest: Run to train.
        padding: Argument of the tokenizer; False pads each batch to its longest row.
        settings: Further `TrainingArguments`.

    Returns:
        The Trainer, and its datasets by split.
    """
    cfg = contest.cfg
    data = contest.datasets(padding)
    rows = len(data["train"])
    total = contest.total_steps(rows)
    if not contest.gate:
        every = max(1, total // cfg.trainer.evaluations)
        settings |= {"eval_strategy": "steps", "eval_steps": every}
    if contest.mixed:
        settings |= {"fp16" if ON_CUDA else "bf16": True}
    arguments = transformers.TrainingArguments(
        output_dir=str(contest.work / "hf"),
        max_steps=total,
        per_device_train_batch_size=cfg.trainer.batch_size,
        learning_rate=cfg.optimizer.lr,
        warmup_steps=int(cfg.optimizer.warmup * total),
        max_grad_norm=cfg.optimizer.clip_norm,
        seed=cfg.data_seed,
        use_cpu=not ON_CUDA,
        report_to="none",
        **settings,
    )

    class SameOrder(transformers.Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Permutations:
            return Permutations(rows, cfg.data_seed)

    multiple = 8 if contest.mixed and ON_CUDA else None  # as in run_glue.py
    dynamic = transformers.DataCollatorWithPadding(contest.tokenizer, pad_to_multiple_of=multiple)
    trainer = SameOrder(
        model=contest.model("sdpa"),
        args=arguments,
        train_dataset=data["train"],
        eval_dataset=data["val"],
        processing_class=contest.tokenizer,
        data_collator=transformers.default_data_collator if padding else dynamic,
        compute_metrics=lambda result: {
            "score": contest.score(np.asarray(result.predictions), np.asarray(result.label_ids))
        },
        callbacks=[_StepGate(contest.gate.step)] if contest.gate else [],
    )
    return trainer, data


def collect_scores(trainer: transformers.Trainer, test: Any) -> Scores:
    """Return the best validation score, and the test score with the last weights, the only ones."""
    scores = [row["eval_score"] for row in trainer.state.log_history if "eval_score" in row]
    metrics = trainer.predict(test).metrics or {}
    return {
        "val_best": max((score for score in scores if not math.isnan(score)), default=None),
        "test_at_best": None,
        "test_at_last": metrics["test_score"],
        "evaluations": len(scores),
    }


class _StepGate(transformers.TrainerCallback):
    def __init__(self, step: Callable[[], None]):
        self.step = step

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.step()
