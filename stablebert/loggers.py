"""Where a run's numbers go: its own history, always; Weights & Biases, as a window."""

import json
import logging
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from typing_extensions import override

log = logging.getLogger(__name__)


def finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity: null stands for both."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def log_now(trainer: Trainer, metrics: Mapping[str, float]) -> None:
    """Send numbers to every logger at this optimizer step, whatever `log_every_n_steps` says."""
    for logger in trainer.loggers:
        logger.log_metrics(dict(metrics), step=trainer.global_step)


class HistoryLogger(Logger):
    """Writes one JSON line per logged optimizer step, all of its numbers together; no clock times.

    It writes to a file of its own beside `path`, so that a finished history stands until the next
    one is complete and two processes never write to one file; `complete` gives it its name.
    """

    def __init__(self, path: Path):
        self.path = path
        self.part = path.with_name(f"{path.name}.{uuid4().hex}.part")
        self._file = self.part.open("x", encoding="utf-8")
        self._step: int | None = None
        self._line: dict[str, Any] = {}

    @property
    @override
    def name(self) -> str:
        return "history"

    @property
    @override
    def version(self) -> str:
        return ""

    @override
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml holds them."""

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step != self._step:
            self.flush()
            self._step = step
        self._line.update({key: finite(value) for key, value in metrics.items()})

    def flush(self) -> None:
        """Write the line of the current step."""
        if self._line:
            line = {"step": self._step, **self._line}
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._line = {}

    def complete(self) -> None:
        """Close the file and put it in place of an older one; once."""
        if self._file.closed:
            return
        self.flush()
        self._file.close()
        self.part.replace(self.path)

    def discard(self) -> None:
        """Close the file and drop it."""
        self._file.close()
        self.part.unlink(missing_ok=True)


class Window(Logger):
    """Passes everything to another logger, whose failure costs nothing but its own numbers.

    Args:
        make: builds the logger, at the first use.
        what: its name in the one warning.
    """

    def __init__(self, make: Callable[[], Logger], what: str):
        self._make = make
        self._inner: Logger | None = None
        self._what = what
        self.broken = False

    def attempt(self, act: Callable[[Any], Any]) -> Any:
        """Do something with the logger; None, and a warning the first time, if it fails."""
        if self.broken:
            return None
        try:
            if self._inner is None:
                self._inner = self._make()
            return act(self._inner)
        except Exception as error:
            self.broken = True
            log.warning("%s failed, the run goes on without it: %s", self._what, error)
            return None

    @property
    @override
    def name(self) -> str:
        return self._what

    @property
    @override
    def version(self) -> str:
        return ""

    @override
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.attempt(lambda inner: inner.log_hyperparams(params))

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.attempt(lambda inner: inner.log_metrics(dict(metrics), step))

    def finish(self, summary: Mapping[str, Any], exit_code: int = 0) -> None:
        """Close a W&B run, with its last numbers and how it ended; one never begun stays so."""
        if self._inner is None:
            return

        def close(inner: Any) -> None:
            inner.experiment.summary.update(dict(summary))
            inner.experiment.finish(exit_code=exit_code)

        self.attempt(close)


def wandb_logger(
    *,
    mode: str,
    project: str,
    entity: str | None,
    name: str,
    group: str,
    tags: list[str],
    config: dict[str, Any],
    timeout: int = 30,
) -> Logger:
    """Lightning's logger on a new W&B run; offline, said once, where the server does not answer.

    Args:
        mode: `online` or `offline`.
        project: W&B project; a sweep's agent has its own.
        entity: team or user; None for W&B's default.
        name: of the run.
        group: of the run.
        tags: of the run.
        config: the resolved configuration.
        timeout: seconds to wait for the server.
    """
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    settings = wandb.Settings(init_timeout=timeout, finish_timeout=10 * timeout)
    about = {"project": project, "entity": entity, "name": name, "group": group, "tags": tags}
    begin = partial(wandb.init, settings=settings, reinit="finish_previous", **about)
    try:
        run = begin(mode=mode)
    except wandb.errors.Error as error:
        if mode != "online":
            raise
        log.warning("W&B does not answer, logging offline (`wandb sync` later): %s", error)
        run = begin(mode="offline")
    run.config.setdefaults(config)  # what a sweep has set stays, without a warning per key
    return WandbLogger(experiment=run)
