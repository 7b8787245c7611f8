"""A run's window in Weights & Biases: its name there, what it shows, how it ends.

The record is on the disk; W&B sees it. Whatever fails here costs what W&B would have shown, some
seconds and one warning. Free of torch: a run that is done shows its record at once.
"""

import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from queue import Empty, Queue
from typing import Any, TypeVar, cast
from urllib.error import HTTPError
from urllib.request import urlopen

from stablebert.config.compose import as_dict
from stablebert.config.schema import RunConfig
from stablebert.runs.location import LocatedRun
from stablebert.runs.record import HISTORY, RESULT, RunRecord
from stablebert.version import versions

log = logging.getLogger(__name__)

STEP = "trainer/global_step"
"""The x axis of everything, under the name that Lightning's own logger gives it."""
PROBE_SECONDS = 5
INIT_SECONDS, FINISH_SECONDS = 90, 120
PREEMPTED = 143  # 128 + SIGTERM, as a shell has it


def under_agent() -> bool:
    """Whether `wandb agent` has started this process."""
    return "WANDB_SWEEP_ID" in os.environ


def wanted(cfg: RunConfig) -> str | None:
    """`online`, `offline` or None; `auto` is on where a sweep's agent has started the process."""
    return _mode(cfg.wandb.mode)


def _mode(typed: str) -> str | None:
    mode = typed
    if typed == "auto":
        mode = os.environ.get("WANDB_MODE", "online") if under_agent() else ""
    return mode if mode in ("online", "offline") else None


class Window:
    """A W&B run, begun at once. When W&B fails, it says so once and does nothing from then on.

    Args:
        begin: begins the W&B run.
    """

    def __init__(self, begin: Callable[[], Any]):
        self.broken = False
        self._shown = 0
        self._step, self._line = 0, dict[str, float]()
        self._run = self._attempt(begin)
        if self._run is not None:
            # handed out again after a pre-emption, a run begins anew; its rows are shown once
            self._shown = self._run.starting_step

    def _attempt(self, act: Callable[[], Any]) -> Any:
        if self.broken:
            return None
        try:
            return act()
        except Exception as error:
            self.broken = True
            log.warning("W&B failed, the run goes on without it: %s", error)
            return None

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Show numbers at an optimizer step, all of one step together when the next one comes."""
        if step != self._step:
            self._flush()
            self._step = step
        self._line.update(metrics)

    def _flush(self) -> None:
        line, self._line = self._line, {}
        if line and self._shown:
            self._shown -= 1
        elif line:
            self._attempt(lambda: self._run.log({**line, STEP: self._step}))

    def finish(self, record: RunRecord, located: LocatedRun) -> None:
        """End as finished, with the record of the run that is shown."""
        self._flush()
        file = located.folder / RESULT

        def act() -> None:
            failed = {"failed": int(record.status == "failed")}
            self._run.summary.update({**asdict(record), **failed})
            if file.is_file():
                copy = shutil.copy(file, self._run.dir)  # else the client links, and says so
                self._run.save(str(copy), base_path=self._run.dir, policy="now")
            self._run.finish(exit_code=0)

        self._attempt(act)

    def crash(self, error: BaseException) -> None:
        """End as failed."""
        self._flush()

        def act() -> None:
            self._run.summary["error"] = f"{type(error).__name__}: {error}"
            self._run.finish(exit_code=1)

        self._attempt(act)

    def preempt(self) -> None:
        """End as told to stop: a sweep hands the run out again, which shows this step whole."""

        def act() -> None:
            self._run.mark_preempting()
            self._run.finish(exit_code=PREEMPTED)

        self._attempt(act)


def open_window(located: LocatedRun) -> Window | None:
    """The window of a run, if one is wanted."""
    cfg = located.cfg
    mode = wanted(cfg)
    if mode is None:
        return None
    length = [] if cfg.length == "3epochs" else [cfg.length]
    commit = versions()["commit"]
    about = {
        "name": "/".join([cfg.task, cfg.method, *length, located.folder.name]),
        "group": f"{cfg.task}/{cfg.method}",
        "tags": [cfg.scale, cfg.length, *cfg.wandb.tags, *([commit] if commit else [])],
    }
    plain = {  # W&B groups by names without dots only
        "config_id": located.config_id,
        "bias_correction": cfg.optimizer.bias_correction,
        "reinit_layers": cfg.reinit.num_layers,
    }
    return Window(lambda: _begin(mode, cfg, {**as_dict(cfg), **plain}, about))


def show_stored(record: RunRecord, located: LocatedRun) -> None:
    """Show a run that is done already as it went."""
    window = open_window(located)
    if window is None:
        return
    history = located.folder / HISTORY
    for line in history.read_text("utf-8").splitlines() if history.is_file() else []:
        metrics = json.loads(line)
        window.log(metrics, metrics.pop("step"))
    window.finish(record, located)


def show_refusal(error: BaseException) -> None:
    """Tell a sweep that its run could not begin, and why."""
    if mode := _mode("auto"):
        Window(lambda: _begin(mode, None, {}, {})).crash(error)


def _begin(
    mode: Any, cfg: RunConfig | None, config: Mapping[str, Any], about: Mapping[str, Any]
) -> Any:
    # a process of its own, not the agent's: it outlives an agent that is killed, and a client that
    # borrows one ends with a traceback (wandb 0.31)
    os.environ.pop("WANDB_SERVICE", None)
    import wandb

    limits: dict[str, Any] = {"init_timeout": INIT_SECONDS, "finish_timeout": FINISH_SECONDS}
    typed = {name for name in limits if f"WANDB_{name.upper()}" in os.environ}
    settings = wandb.Settings(**{k: v for k, v in limits.items() if k not in typed})
    where: dict[str, Any] = {"resume": "allow"}  # a sweep's runs are where the sweep is
    if cfg and not under_agent():
        where = {"project": cfg.wandb.project, "entity": cfg.wandb.entity}
    about = {**about, **where, "settings": settings, "reinit": "finish_previous"}
    run: Any = None
    silence: object = ""
    if mode == "online":
        silence = probe(base_url())
        try:
            run = None if silence else wandb.init(mode=mode, **about)
        except wandb.errors.Error as error:
            silence = error
    if silence:
        log.warning("W&B cannot be used, logging offline (later: `wandb sync`): %s", silence)
    if mode == "offline" or silence:
        run = wandb.init(mode="offline", **about)
    run.config.setdefaults(dict(config))  # what a sweep has set stays, without a warning per key
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    run.define_metric("val/score", step_metric=STEP, step_sync=True, summary="max")
    return run


T = TypeVar("T")


def within(seconds: float, act: Callable[[], T]) -> T:
    """Do something with the client, which for some questions waits for ever.

    Raises:
        TimeoutError: it takes longer; it is left alone then.
        Exception: whatever it raised.
    """
    done: Queue[tuple[T | None, Exception | None]] = Queue()

    def work() -> None:
        try:
            done.put((act(), None))
        except Exception as error:
            done.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error:
        raise error
    return cast(T, result)


def base_url() -> str:
    """Of the W&B server."""
    if url := os.environ.get("WANDB_BASE_URL"):
        return url
    import wandb

    return str(wandb.setup().settings.base_url)


def logged_in(url: str) -> bool:
    """Whether a key is at hand, by the client's own rules; neither a server nor a user is asked.

    Raises:
        Exception: the client's, of a key of a wrong form, or of a version that cannot be asked.
    """
    from wandb.sdk.lib.wbauth import authenticate_session

    found = authenticate_session(host=url, source="stablebert", prompt=False, update_session=False)
    return found is not None


def probe(url: str) -> str:
    """Why a server does not answer; empty if it does: the client alone would wait for minutes."""
    try:
        urlopen(url, timeout=PROBE_SECONDS).close()
    except HTTPError:
        return ""
    except (OSError, ValueError) as error:
        return f"{url}: {error}"
    return ""
