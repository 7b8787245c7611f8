"""The checkpoint of a run in progress, from which an interrupted run resumes."""

import logging
import math
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins import CheckpointIO
from typing_extensions import override

from stablebert.callbacks.stateful import is_validation_of_fit
from stablebert.callbacks.validation import planned_steps
from stablebert.config.serialize import flat_values
from stablebert.runs.files import CHECKPOINT, write_file
from stablebert.runs.history_line import parse_line
from stablebert.runs.run import LocatedRun
from stablebert.training.loggers import HistoryLogger
from stablebert.training.outcome import device_name
from stablebert.version import versions

log = logging.getLogger(__name__)


class RunCheckpoint(Checkpoint):
    """Callback that saves a Lightning checkpoint every `trainer.checkpoint_minutes` of a run.

    It holds everything that a run consists of: weights, optimizer, random numbers, position in the
    data, state of every callback, and history. On a CPU a run that resumes from it gives the same
    bits as one that was never interrupted. It is saved only after an optimizer step, and after
    the validation that is due there.

    Args:
        run: The run.
        history: Its history.
    """

    def __init__(self, run: LocatedRun, history: HistoryLogger):
        self.path = run.folder / CHECKPOINT
        self._run = run
        self._history = history
        self._storage = _Storage()
        minutes = run.cfg.trainer.checkpoint_minutes
        self._interval = math.inf if minutes is None else 60 * minutes
        self._saved_at = 0.0
        self._step = 0
        self._steps = 0

    def find(self, trainer: Trainer) -> Path | None:
        """Read the checkpoint, and return its path for `Trainer.fit`; None if there is no use.

        One that is damaged, or from a run under other conditions, is reported and left alone until
        the next one replaces it.
        """
        if not self.path.exists():
            return None
        try:
            content = _read(self.path)
            found, expected = content["run"]["conditions"], _conditions(self._run, trainer)
            problem = "; ".join(
                f"{name} was {found.get(name)} and is {value}"
                for name, value in expected.items()
                if found.get(name) != value
            )
        except Exception as error:  # torch raises all kinds for damaged files
            problem = f"damaged ({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        if problem:
            log.warning("%s: not used, training starts over: %s", self.path, problem)
            return None
        log.warning(
            "resuming from step %d of %d, checkpoint of %s",
            *(content["global_step"], content["run"]["steps"], content["run"]["saved"]),
        )
        self._storage.content = content
        return self.path

    def delete(self) -> None:
        """Delete the checkpoint, if there is one."""
        self.path.unlink(missing_ok=True)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        trainer.strategy.checkpoint_io = self._storage

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved_at = time.monotonic()
        self._step = trainer.global_step
        self._steps = planned_steps(trainer, pl_module, type(self).__name__)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        is_step = trainer.global_step > self._step  # not in the middle of an accumulated batch
        self._step = trainer.global_step
        is_validated_next = trainer.val_check_batch == 1  # set by `ValidationSchedule`
        if is_step and not is_validated_next:
            self._save_if_due(trainer)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_validation_of_fit(trainer):
            self._save_if_due(trainer)

    def _save_if_due(self, trainer: Trainer) -> None:
        # a fit that resumes from the last step would end before its last validation
        is_due = time.monotonic() - self._saved_at >= self._interval
        if not is_due or trainer.global_step >= self._steps:
            return
        try:
            trainer.save_checkpoint(self.path)
        except OSError as error:
            log.warning("%s: cannot be saved, the run continues: %s", self.path, error)
        self._saved_at = time.monotonic()

    @override
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["run"] = {
            "conditions": _conditions(self._run, trainer),
            "steps": self._steps,
            "history": self._history.text(),
            "saved": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        }

    @override
    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        for text in checkpoint["run"]["history"].splitlines():
            step, numbers = parse_line(text.encode())
            metrics = {k: math.nan if v is None else v for k, v in numbers.items()}
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step)


class _Storage(CheckpointIO):
    """Lightning's access to the file of a checkpoint.

    Attributes:
        content: Checkpoint that has been read, until Lightning takes it.
    """

    def __init__(self) -> None:
        self.content: dict[str, Any] = {}

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        write_file(Path(path), lambda file: torch.save(checkpoint, file))

    @override
    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        content, self.content = self.content, {}
        return content

    @override
    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    """Read a checkpoint whose checksums match.

    Raises:
        Exception: If the file is damaged.
    """
    with zipfile.ZipFile(path) as file:  # torch itself does not compare the checksums
        if name := file.testzip():
            raise ValueError(f"the checksum of {name} does not match")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def _conditions(run: LocatedRun, trainer: Trainer) -> Mapping[str, str]:
    """Return what must be the same in all attempts at a run: its record has one value for each."""
    device = trainer.strategy.root_device
    conditions: dict[str, Any] = {
        "config_id": run.config_id,  # contains the recipe version
        "seeds": run.seeds,
        "device": device_name(device),
        **{key: v for key, v in flat_values(run.cfg).items() if key.startswith("monitor.")},
        **versions(),
    }
    if device.type == "cpu":
        conditions["threads"] = torch.get_num_threads()
    return {name: str(value) for name, value in conditions.items()}
