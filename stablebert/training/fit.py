"""Training and testing of one run in memory; only a `RunCheckpoint` writes a file."""

from collections.abc import Sequence

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from stablebert.callbacks import StopAfter
from stablebert.optim.adam import steps_taken
from stablebert.runs.early_score import EarlyScore
from stablebert.runs.run import LocatedRun
from stablebert.training.build import Parts, build_parts
from stablebert.training.checkpoint import RunCheckpoint
from stablebert.training.module import Predictions
from stablebert.training.outcome import (
    Outcome,
    device_name,
    in_row_order,
    nan_to_zero,
    peak_memory,
)
from stablebert.training.stopwatch import Stopwatch


def fit(
    run: LocatedRun,
    loggers: Sequence[Logger],
    watchers: Sequence[Callback],
    watch: Stopwatch,
    checkpoint: RunCheckpoint | None = None,
) -> Outcome:
    """Train a run, then test its last and its best weights.

    Args:
        run: The run.
        loggers: Loggers of the Trainer.
        watchers: Callbacks that observe the training without changing it.
        watch: Stopwatch that measures the phases.
        checkpoint: Checkpoint to resume from, if it exists and can be used; None keeps none.
    """
    with watch.phase("load"):
        parts = build_parts(run, loggers, [*watchers, watch, *([checkpoint] if checkpoint else [])])
        start = checkpoint.find(parts.trainer) if checkpoint else None
    module, data, best, trainer = parts.module, parts.data, parts.best, parts.trainer
    with watch.phase("train"):
        trainer.fit(module, datamodule=data, ckpt_path=start)
    steps = steps_taken(trainer.optimizers[0])
    val_at_last = module.predictions["val"]
    with watch.phase("test"):
        test_at_last = _test(parts)
        # the last weights are tested once if they are the best, or if every validation was NaN
        test_at_best = _test(parts) if best.restore(module) else test_at_last
    predictions = {"val_at_last": val_at_last, "test_at_last": test_at_last}
    if best.step is not None:
        predictions |= {"val_at_best": module.validations[best.step], "test_at_best": test_at_best}
    device = trainer.strategy.root_device
    return Outcome(
        model=module.model,
        val_at_best={name.removeprefix("val/"): score for name, score in best.metrics.items()},
        best_step=best.step,
        val_at_last=val_at_last,
        test_at_last=test_at_last,
        test_at_best=test_at_best,
        predictions={
            place: in_row_order(data, place.partition("_")[0], part)
            for place, part in predictions.items()
        },
        splits=data.splits,
        steps=trainer.global_step,
        skipped_steps=trainer.global_step - steps,
        evaluations=watch.evaluations,
        precision=str(trainer.precision),
        packing=parts.packing,
        padding_efficiency=data.padding_efficiency(),
        threads=torch.get_num_threads(),
        seconds={name: round(duration, 3) for name, duration in watch.seconds.items()},
        peak_memory_bytes=peak_memory(device),
        device=device_name(device),
        uses_gpu=device.type == "cuda",
    )


def fit_partly(
    run: LocatedRun, fraction: float, watchers: Sequence[Callback], watch: Stopwatch
) -> EarlyScore:
    """Train a run for a fraction of its steps, on the schedule of the whole run, and validate it.

    Args:
        run: The run.
        fraction: Fraction of the optimizer steps after which to stop.
        watchers: Callbacks that observe the training without changing it.
        watch: Stopwatch that measures the phases.
    """
    stop = StopAfter(fraction, run.cfg.trainer.evaluations)
    with watch.phase("load"):
        parts = build_parts(run, [], [stop, *watchers, watch])
    with watch.phase("train"):
        parts.trainer.fit(parts.module, datamodule=parts.data)
    raise_if_terminated(parts.trainer)
    score = nan_to_zero(float(parts.trainer.callback_metrics["val/score"]))
    return EarlyScore(parts.trainer.global_step, stop.total, score, sum(watch.seconds.values()))


def _test(parts: Parts) -> Predictions:
    """Predict the test split with the current weights."""
    parts.trainer.test(parts.module, datamodule=parts.data, verbose=False)
    raise_if_terminated(parts.trainer)
    return parts.module.predictions["test"]


def raise_if_terminated(trainer: Trainer) -> None:
    """Raise what Lightning does not: it ignores a SIGTERM that arrives in the last batch."""
    if trainer.received_sigterm:
        raise SIGTERMException
