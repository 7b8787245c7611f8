"""Estimates of how long runs take, from finished runs of the same kind."""

import statistics
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from stablebert.runs.record import RunRecord
from stablebert.runs.run import Run


class Clock:
    """Estimator of the duration of runs from that of finished ones.

    Args:
        records: Finished runs.
    """

    def __init__(self, records: Iterable[RunRecord]):
        self._seconds: dict[tuple[Any, ...], list[float]] = {}
        for record in records:
            self.learn(record)

    def learn(self, record: RunRecord) -> None:
        """Add the duration of a finished run."""
        duration = sum(record.seconds.values())
        for kind in _kinds(record.scale, record.config_id, record.task):
            self._seconds.setdefault(kind, []).append(duration)

    def estimate(self, run: Run) -> float | None:
        """Return the median seconds of runs of the same cell, task or scale; None without any."""
        for kind in _kinds(run.cfg.scale, run.config_id, run.cfg.task):
            if kind in self._seconds:
                return statistics.median(self._seconds[kind])
        return None

    def remaining(self, runs: Sequence[Run], workers: int) -> str:
        """Describe how long the runs will take on a number of workers."""
        estimates = [self.estimate(run) for run in runs]
        durations = [seconds for seconds in estimates if seconds is not None]
        if len(durations) < len(estimates):
            return "unknown until a run has finished"
        busy_workers = max(1, min(workers, len(durations)))
        return str(timedelta(seconds=round(sum(durations) / busy_workers)))


def _kinds(scale: str, config_id: str, task: str) -> tuple[tuple[str, ...], ...]:
    """Return the kinds of runs that a run is compared with, the most similar first."""
    return ("cell", scale, config_id), ("task", scale, task), ("scale", scale)
