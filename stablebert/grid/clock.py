"""Estimates of how long runs take, from finished runs of the same kind."""

import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from stablebert.config.schema import RunConfig
from stablebert.runs.record import RunRecord
from stablebert.runs.run import Run


@dataclass(frozen=True)
class Duration:
    """Duration of a finished run in seconds, and what it depends on."""

    config_id: str
    training: float
    rest: float
    """Loading, validation and test."""
    steps: int
    rows: int
    """Training rows."""
    device: str

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """Return the duration of a finished run."""
        training = record.seconds.get("train", 0.0)
        return cls(
            config_id=record.config_id,
            training=training,
            rest=sum(record.seconds.values()) - training,
            steps=record.steps,
            rows=int(record.splits["train"]["rows"]),
            device=record.device,
        )

    def predict(self, run: Run) -> float:
        """Return the seconds of another run, whose training time is proportional to its steps."""
        if run.config_id == self.config_id:
            return self.training + self.rest
        return self.training * _planned_steps(run.cfg, self.rows) / self.steps + self.rest


class Clock:
    """Estimator of the duration of runs from that of finished ones.

    Args:
        records: Finished runs.
        devices: Names of the devices of this machine. Runs on others count only if there are none
            on these.
    """

    def __init__(self, records: Iterable[RunRecord], devices: Collection[str] = ()):
        self._devices = set(devices)
        self._durations: dict[tuple[str, ...], list[Duration]] = {}
        for record in records:
            self._add(record)

    def learn(self, record: RunRecord) -> None:
        """Add the duration of a run that finished on this machine."""
        self._devices.add(record.device)
        self._add(record)

    def _add(self, record: RunRecord) -> None:
        duration = Duration.of(record)
        for kind in _kinds(record.scale, record.config_id, record.task):
            self._durations.setdefault(kind, []).append(duration)

    def estimate(self, run: Run) -> float | None:
        """Return the median seconds of runs of the same cell, task or scale; None without any."""
        durations = self._similar(run)
        return statistics.median(x.predict(run) for x in durations) if durations else None

    def _similar(self, run: Run) -> list[Duration]:
        """Return the durations of the most similar runs, on this machine if there are any."""
        kinds = _kinds(run.cfg.scale, run.config_id, run.cfg.task)
        candidates = [self._durations.get(kind, []) for kind in kinds]
        here = [[x for x in durations if x.device in self._devices] for durations in candidates]
        return next(filter(None, [*here, *candidates]), [])

    def remaining(self, runs: Sequence[Run], workers: int) -> str:
        """Describe how long the runs will take on a number of workers."""
        estimates = [self.estimate(run) for run in runs]
        durations = [seconds for seconds in estimates if seconds is not None]
        if len(durations) < len(estimates):
            return "unknown until a run has finished"
        busy_workers = max(1, min(workers, len(durations)))
        return str(timedelta(seconds=round(sum(durations) / busy_workers)))

    def describe_source(self, scales: Iterable[str]) -> str:
        """Return `, measured on DEVICE` if runs of the scales finished on other machines only."""
        durations = [x for scale in scales for x in self._durations.get(("scale", scale), [])]
        devices = {duration.device for duration in durations}
        if not devices or devices & self._devices:
            return ""
        return f", measured on {', '.join(sorted(devices))}"


def _planned_steps(cfg: RunConfig, rows: int) -> int:
    """Return the number of training steps of a run on a number of rows."""
    if cfg.trainer.max_steps is not None:
        return cfg.trainer.max_steps
    return (cfg.trainer.epochs or 0) * math.ceil(rows / cfg.trainer.batch_size)


def _kinds(scale: str, config_id: str, task: str) -> tuple[tuple[str, ...], ...]:
    """Return the kinds of runs that a run is compared with, the most similar first."""
    return ("cell", scale, config_id), ("task", scale, task), ("scale", scale)
