"""Progress of a run: a bar in the terminal, or messages to another process."""

import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from typing_extensions import override


class RunProgress(Callback):
    """Progress bar over the optimizer steps of the whole run, with the latest val score.

    Lightning's own bars restart at every epoch, and so does their remaining time.

    Args:
        title: Text in front of the bar.
    """

    def __init__(self, title: str):
        self.title = title
        self._bar: Progress | None = None

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("val {task.fields[score]}"),
        )
        self._bar.start()
        total = int(trainer.estimated_stepping_batches)
        self._row = self._bar.add_task(self.title, total=total, score="-")

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar:
            self._bar.update(self._row, completed=trainer.global_step)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._bar:
            score = trainer.callback_metrics["val/score"]
            self._bar.update(self._row, score=f"{100 * float(score):.1f}")

    @override
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop()

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None


class StepSender(Callback):
    """Callback that reports the optimizer step at regular intervals.

    Args:
        send: Function called with the step and the total number of steps.
        every: Least number of seconds between two calls.
    """

    def __init__(self, send: Callable[[int, int], None], every: float = 0.5):
        self.send = send
        self.every = every
        self._sent = 0.0

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if time.monotonic() - self._sent >= self.every:
            self._sent = time.monotonic()
            self.send(trainer.global_step, int(trainer.estimated_stepping_batches))
