"""A run's mirror in Weights & Biases: its name, configuration, metrics and outcome.

The record on disk is the result; W&B only displays it. A failure of W&B costs the display, a few
seconds and one warning. Free of torch, so a finished run is mirrored at once.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from stablebert.config.schema import RunConfig
from stablebert.config.serialize import as_dict
from stablebert.errors import mask_credentials
from stablebert.filesystem import read_bytes
from stablebert.runs.files import HISTORY, PREDICTIONS, RESULT
from stablebert.runs.history_line import parse_line
from stablebert.runs.record import RunRecord, serialize_record
from stablebert.runs.seeds import Seeds
from stablebert.tracking.client import usage_problem
from stablebert.tracking.outage import remember_failure, seconds_since_failure, take_turn
from stablebert.version import versions

log = logging.getLogger(__name__)

STEP = "trainer/global_step"
"""The x axis of all metrics, named as Lightning's own W&B logger names it."""
INIT_SECONDS, FINISH_SECONDS = 60, 60
"""Longest time that W&B may delay a run at its start and at its end."""
OFFLINE_SECONDS = 600
"""Time for which all runs log offline after W&B has failed, so that not every run waits."""
PREEMPTED = 143  # the shell's exit status after SIGTERM: 128 + 15

Mode = Literal["online", "offline"]


class MirroredRun(Protocol):
    """A run: its configuration, the hash of it, its seeds, and the folder of its files."""

    @property
    def cfg(self) -> RunConfig:
        """The resolved configuration."""

    @property
    def config_id(self) -> str:
        """The hash of the configuration without its seeds."""

    @property
    def seeds(self) -> Seeds:
        """The two seeds."""

    @property
    def folder(self) -> Path:
        """The folder of the run's files."""


def started_by_agent() -> bool:
    """Return whether `wandb agent` started this process."""
    return "WANDB_SWEEP_ID" in os.environ


def requested_mode(setting: str) -> Mode | None:
    """Return the W&B mode that a value of `wandb.mode` requests; None requests no mirror.

    `auto` mirrors only runs started by a sweep's agent, in the mode that WANDB_MODE names.
    """
    mode = setting
    if setting == "auto":
        mode = os.environ.get("WANDB_MODE", "online") if started_by_agent() else ""
    if mode == "online":
        return "online"
    return "offline" if mode == "offline" else None


class Mirror:
    """A W&B run, started at once. After the first failure of W&B, it warns and does nothing more.

    Args:
        start: Starts and returns the W&B run.
    """

    def __init__(self, start: Callable[[], Any]):
        self.broken = False
        self._step, self._line = 0, dict[str, float | None]()
        self._run = self._attempt(start)
        # A preempted run starts over; the rows that W&B already has are not sent again.
        self._rows_to_skip = 0 if self._run is None else self._run.starting_step

    def _attempt(self, action: Callable[[], Any]) -> Any:
        if self.broken:
            return None
        try:
            return action()
        except Exception as error:
            self.broken = True
            remember_failure()
            log.warning(
                "W&B failed; the run continues without it: %s (upload what it has on disk with "
                "`wandb sync`)",
                mask_credentials(str(error)),
            )
            return None

    def log(self, metrics: Mapping[str, float | None], step: int) -> None:
        """Collect metrics of an optimizer step; the row is sent when the next step begins."""
        if step != self._step:
            self._flush()
            self._step = step
        self._line.update(metrics)

    def _flush(self) -> None:
        line, self._line = self._line, {}
        if line and self._rows_to_skip:
            self._rows_to_skip -= 1
        elif line:
            self._attempt(lambda: self._run.log({**line, STEP: self._step}))

    def finish(self, record: RunRecord, run: MirroredRun) -> None:
        """End as finished, with the record as summary, and it and the predictions as files."""
        self._flush()

        def finish() -> None:
            from stablebert.report.chance import is_at_chance  # loads scipy, which few need

            status = {
                "failed": int(record.status == "failed"),
                "at_chance": int(is_at_chance(record)),
            }
            self._run.summary.update({**serialize_record(record), **status})
            for file in (run.folder / PREDICTIONS, run.folder / RESULT):
                if file.is_file():
                    # A file outside the W&B folder would be linked, with a warning.
                    copy = shutil.copy(file, self._run.dir)
                    self._run.save(str(copy), base_path=self._run.dir, policy="now")
            self._run.finish(exit_code=0)

        self._attempt(finish)

    def crash(self, error: BaseException) -> None:
        """End as failed, with the error in the summary."""
        self._flush()

        def finish() -> None:
            self._run.summary["error"] = mask_credentials(f"{type(error).__name__}: {error}")
            self._run.finish(exit_code=1)

        self._attempt(finish)

    def preempt(self) -> None:
        """End as preempted, so that the sweep assigns the run again.

        The row of the current step may be incomplete, so it is left to the next attempt.
        """

        def finish() -> None:
            self._run.mark_preempting()
            self._run.finish(exit_code=PREEMPTED)

        self._attempt(finish)


def open_mirror(run: MirroredRun) -> Mirror | None:
    """Return the mirror of a run that begins, or None if none is requested."""
    mode = requested_mode(run.cfg.wandb.mode)
    if mode is None:
        return None
    return Mirror(lambda: _start(mode, _labels(run), _config(run)))


def mirror_finished_run(record: RunRecord, run: MirroredRun) -> None:
    """Mirror a finished run from its files, if a mirror is requested."""
    mirror = open_mirror(run)
    if mirror is None:
        return
    for step, metrics in _read_history(run.folder / HISTORY):
        mirror.log(metrics, step)
    mirror.finish(record, run)


def _read_history(path: Path) -> Iterator[tuple[int, dict[str, float | None]]]:
    """Yield step and metrics of every line of a history; warn of lines that are damaged."""
    try:
        lines = read_bytes(path).splitlines()
    except OSError as error:
        log.warning("%s: %s; the mirror has no curves", path, error.strerror)
        return
    for number, line in enumerate(lines, start=1):
        try:
            yield parse_line(line)
        except ValueError as error:
            log.warning("%s:%d: damaged, left out of the mirror: %s", path, number, error)


def mirror_refusal(error: BaseException) -> None:
    """Report to a sweep that its run could not begin, and why."""
    if mode := requested_mode("auto"):
        Mirror(lambda: _start(mode, {}, {})).crash(error)


def _labels(run: MirroredRun) -> dict[str, Any]:
    """Return the arguments of `wandb.init` that name and place a run."""
    cfg = run.cfg
    length = [] if cfg.length == "3epochs" else [cfg.length]
    commit = versions()["commit"]
    labels = {
        "name": "/".join([cfg.task, cfg.method, *length, run.folder.name]),
        "group": f"{cfg.task}/{cfg.method}",
        "tags": [cfg.scale, cfg.length, *cfg.wandb.tags, *([commit] if commit else [])],
    }
    if started_by_agent():  # the sweep decides the project
        return labels
    return {**labels, "project": cfg.wandb.project, "entity": cfg.wandb.entity}


def _config(run: MirroredRun) -> dict[str, Any]:
    aliases = {  # W&B groups only by names without dots
        "config_id": run.config_id,
        "seeds": str(run.seeds),  # one column for runs with one seed and with two
        "bias_correction": run.cfg.optimizer.bias_correction,
        "reinit_layers": run.cfg.reinit.num_layers,
    }
    return {**as_dict(run.cfg), **aliases}


def _start(mode: Mode, labels: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """Start a W&B run; offline if W&B cannot be used."""
    # Start a service process instead of sharing the agent's: it outlives a killed agent, and a
    # client that shares one ends with a traceback (wandb 0.31).
    os.environ.pop("WANDB_SERVICE", None)
    import wandb

    limits: dict[str, Any] = {"init_timeout": INIT_SECONDS, "finish_timeout": FINISH_SECONDS}
    limits = {k: v for k, v in limits.items() if f"WANDB_{k.upper()}" not in os.environ}
    options: dict[str, Any] = {**labels, "reinit": "finish_previous"}
    options["settings"] = wandb.Settings(**limits, finish_timeout_raises=True)
    if started_by_agent():
        options["resume"] = "allow"
    run = _start_online(options) if mode == "online" else None
    if run is None:
        run = wandb.init(mode="offline", **options)
    # Unlike `update`, this keeps the sweep's values without a warning for each key.
    run.config.setdefaults(dict(config))
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    run.define_metric("val/score", step_metric=STEP, step_sync=True, summary="max")
    return run


def _start_online(options: Mapping[str, Any]) -> Any:
    """Start a W&B run online; return None, with a warning, if W&B cannot be used."""
    import wandb

    with take_turn():
        problem = _recent_failure()
        if not problem and (problem := usage_problem()):
            remember_failure()
    if not problem:
        try:
            return wandb.init(mode="online", **options)
        except wandb.errors.Error as error:
            problem = str(error)
            remember_failure()
    log.warning(
        "W&B cannot be used; logging offline (upload with `wandb sync`): %s",
        mask_credentials(problem),
    )
    return None


def _recent_failure() -> str:
    """Return that W&B failed a short time ago, here or in another worker; empty if not."""
    if seconds_since_failure() < OFFLINE_SECONDS:
        return f"it failed within the last {OFFLINE_SECONDS} seconds"
    return ""
