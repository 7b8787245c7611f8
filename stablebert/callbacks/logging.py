"""Logging of metrics at the current optimizer step."""

from collections.abc import Mapping

from lightning.pytorch import Trainer


def log_now(trainer: Trainer, metrics: Mapping[str, float]) -> None:
    """Send numbers to every logger at the current optimizer step, ignoring `log_every_n_steps`."""
    for logger in trainer.loggers:
        logger.log_metrics(dict(metrics), step=trainer.global_step)
