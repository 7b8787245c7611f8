"""Where a run's numbers go: its own history, and whatever else looks on."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from lightning.pytorch.loggers import Logger
from typing_extensions import override


def finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity: null stands for both."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


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


class MetricSink(Protocol):
    """A destination of metrics, such as `stablebert.tracking.mirror.Mirror`."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Take the metrics of an optimizer step."""


class MirrorLogger(Logger):
    """Lightning logger that passes metrics on to a sink, such as a run's mirror in W&B."""

    def __init__(self, sink: MetricSink):
        self._sink = sink

    @property
    @override
    def name(self) -> str:
        return "mirror"

    @property
    @override
    def version(self) -> str:
        return ""

    @override
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: a mirror starts with the configuration."""

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._sink.log(metrics, step or 0)
