"""Loggers of a run: its history, and an adapter to other destinations such as W&B."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from lightning.pytorch.loggers import Logger
from typing_extensions import override

from stablebert.drafts import open_draft
from stablebert.filesystem import naming_file


def finite_or_none(value: Any) -> Any:
    """Return the value, or None for a NaN or an infinity, which JSON cannot represent."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _MetricsLogger(Logger):
    """Lightning logger of metrics only: the configuration is stored before training starts."""

    @property
    @override
    def version(self) -> str:
        return ""

    @override
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


class HistoryLogger(_MetricsLogger):
    """Lightning logger that writes one JSON line per logged optimizer step, without clock times.

    The lines go to a file of its own next to `path`: an older history stays until `complete`
    replaces it, and two processes never write to one file.

    Args:
        path: History of the run.
    """

    def __init__(self, path: Path):
        self.path = path
        self.part, self._file = open_draft(path)
        self._step: int | None = None
        self._line: dict[str, Any] = {}

    @property
    @override
    def name(self) -> str:
        return "history"

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step != self._step:
            self.flush()
            self._step = step
        self._line.update({key: finite_or_none(value) for key, value in metrics.items()})

    def flush(self) -> None:
        """Write the line of the current step."""
        with naming_file(self.path):
            self._file.write(self._pending_text())
        self._line = {}

    def text(self) -> str:
        """Return all lines so far, including that of the current step."""
        self._file.flush()
        return self.part.read_text(encoding="utf-8") + self._pending_text()

    def _pending_text(self) -> str:
        if not self._line:
            return ""
        return json.dumps({"step": self._step, **self._line}, allow_nan=False) + "\n"

    def complete(self) -> None:
        """Close the file and give it its name, replacing an older one; later calls do nothing."""
        if self._file.closed:
            return
        self.flush()
        with naming_file(self.path):
            self._file.flush()
            self.part.replace(self.path)
            self._file.close()

    def discard(self) -> None:
        """Close the file and delete it."""
        with suppress(OSError):  # a full disk does not take its last lines
            self._file.close()
        self.part.unlink(missing_ok=True)


class MetricSink(Protocol):
    """Destination of metrics, such as `stablebert.tracking.mirror.Mirror`."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Take the metrics of an optimizer step."""


class MirrorLogger(_MetricsLogger):
    """Lightning logger that passes metrics on to a sink, such as a run's mirror in W&B."""

    def __init__(self, sink: MetricSink):
        self._sink = sink

    @property
    @override
    def name(self) -> str:
        return "mirror"

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._sink.log(metrics, step or 0)
