"""A sweep's missing runs, executed here by worker processes that stay warm.

The parent never imports torch: it plans, hands out runs, shows progress, and outlives any worker.
"""

import multiprocessing
import os
import signal
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError, ConfigError
from stablebert.grid.pruning import Pruning
from stablebert.grid.worker import log_of, name_of, work
from stablebert.machine import usable_cores
from stablebert.runs.claims import is_claimed
from stablebert.runs.location import Identities, LocatedRun, Run
from stablebert.runs.peek import Peek, read_peek
from stablebert.runs.record import (
    CRASH,
    NO_ROOM,
    RESULT,
    RecordError,
    RunRecord,
    read_record,
    write_json,
)

CPU_WORKERS = 4
"""Workers on a CPU by default, one per core: a step of few tokens gains little by more threads."""
POLL = 2.0
"""Seconds between two looks at runs that other processes execute."""


class GridError(ActionableError):
    """The grid cannot go on; what is finished is kept."""


@dataclass(frozen=True)
class Plan:
    """What a sweep wants, sorted by what there is; every run in one list."""

    done: list[Run]
    missing: list[Run]
    crashed: list[Run]

    @property
    def wanted(self) -> int:
        """Number of runs."""
        return len(self.done) + len(self.missing) + len(self.crashed)


def plan(
    configs: Iterable[RunConfig], records: Iterable[RunRecord], identities: Identities
) -> Plan:
    """Look up what is finished.

    Args:
        configs: the runs that are wanted.
        records: of finished runs, here or committed; a damaged one is not among them.
        identities: what tells runs apart.

    Raises:
        ContentError: as `Identities.run`.
    """
    finished = {record.key for record in records}
    made = Plan([], [], [])
    for cfg in configs:
        run = identities.run(cfg)
        if run.key in finished or _is_done(run):
            made.done.append(run)
        elif (run.folder / CRASH).exists() or (run.folder / RESULT).exists():
            made.crashed.append(run)  # a record that cannot be read is as good as none
        else:
            made.missing.append(run)
    return made


def _is_done(run: Run) -> bool:
    """Whether a record stands that was not there a moment ago."""
    try:
        return read_record(run.folder) is not None
    except RecordError:
        return False


def retry(runs: Iterable[Run]) -> None:
    """Make crashed runs missing again; a damaged record is kept beside the new one."""
    for run in runs:
        for name in (CRASH, RESULT):
            with suppress(FileNotFoundError):
                (run.folder / name).replace(run.folder / f"{name}.before")


def shard(configs: Sequence[RunConfig], text: str) -> list[RunConfig]:
    """Part i of n of the runs, `i/n` from 1: every n-th, so that all parts hold all seeds.

    Raises:
        ConfigError: not of that form.
    """
    i, slash, n = text.partition("/")
    if not (slash and i.isdigit() and n.isdigit() and 1 <= int(i) <= int(n)):
        raise ConfigError([f"--shard {text}: takes i/n with i from 1 to n, such as 2/8"])
    return list(configs[int(i) - 1 :: int(n)])


class Clock:
    """How long runs take, from finished ones of the same kind."""

    def __init__(self, records: Iterable[RunRecord]):
        self._seconds: dict[tuple[Any, ...], list[float]] = {}
        for record in records:
            self.learn(record)

    def learn(self, record: RunRecord) -> None:
        """Note how long a run took."""
        kind = (record.scale, record.config_id, record.task)
        spent = sum(record.seconds.values())
        for key in (kind[:2], kind[::2], kind[:1]):
            self._seconds.setdefault(key, []).append(spent)

    def estimate(self, run: Run) -> float | None:
        """Seconds that a run will take: as others of its cell, task or scale; None without any."""
        kind = (run.cfg.scale, run.config_id, run.cfg.task)
        for key in (kind[:2], kind[::2], kind[:1]):
            if key in self._seconds:
                return statistics.median(self._seconds[key])
        return None

    def left(self, runs: Sequence[Run], workers: int) -> str:
        """Time that the runs will take on so many workers, in words."""
        estimates = [self.estimate(run) for run in runs]
        known = [seconds for seconds in estimates if seconds is not None]
        if len(known) < len(estimates):
            return "unknown until a run has finished"
        busy = max(1, min(workers, len(known)))
        return str(timedelta(seconds=round(sum(known) / busy)))


@dataclass
class Worker:
    """A process that executes runs one after another."""

    number: int
    process: BaseProcess
    pipe: Connection
    row: TaskID | None = None
    run: LocatedRun | None = None
    started: float = field(default_factory=time.monotonic)


@dataclass
class Outcome:
    """What a grid did."""

    finished: int = 0
    crashed: list[LocatedRun] = field(default_factory=list)


def execute(
    runs: Sequence[LocatedRun],
    *,
    workers: int,
    gpus: Sequence[str] = (),
    threads: int | None = None,
    records: Iterable[RunRecord] = (),
    say: Callable[[str], None] = print,
) -> Outcome:
    """Execute runs in warm workers until each has a record or has crashed.

    What runs start from is executed before, and once. A worker that dies is replaced and its run
    tried once more. Runs that another process executes are waited for.

    Args:
        runs: in order.
        workers: number of processes.
        gpus: device of each worker in turn, as CUDA_VISIBLE_DEVICES has it; none on a CPU.
        threads: CPU threads of each worker; None for cores // workers.
        records: finished runs, for the time left.
        say: prints a line.

    Raises:
        GridError: the disk is full or cannot be written.
        KeyboardInterrupt: Ctrl-C, after the workers were stopped.
    """
    if not runs:
        return Outcome()
    starts = {run.start.folder: run.start for run in runs if run.start and not run.start.done}
    for start in starts.values():
        say(f"first, for runs that start from it: {name_of(start)}")
    grid = _Grid([*starts.values(), *runs], workers, gpus, threads, records, say)
    try:
        return grid.run_all()
    finally:
        grid.stop()


class _Grid:
    def __init__(
        self,
        runs: Sequence[LocatedRun],
        workers: int,
        gpus: Sequence[str],
        threads: int | None,
        records: Iterable[RunRecord],
        say: Callable[[str], None],
    ):
        self.waiting = deque(runs)
        self.elsewhere: list[LocatedRun] = []
        self.died: set[Path] = set()
        self.total = len(runs)
        self.gpus = gpus
        self.size = min(workers, len(runs))
        self.threads = threads or max(1, usable_cores() // max(1, self.size))
        self.looked = 0.0
        self.clock = Clock(records)
        self.say = say
        self.outcome = Outcome()
        self.bar: Progress | None = None
        self.workers: list[Worker] = []

    # ---------------------------------------------------------------- the loop

    def run_all(self) -> Outcome:
        if sys.stdout.isatty():
            title = TextColumn("{task.description}", markup=False)
            note = TextColumn("{task.fields[note]}", markup=False)
            self.bar = Progress(title, BarColumn(), MofNCompleteColumn(), note)
            self.bar.start()
            self.whole = self.bar.add_task("all runs", total=self.total, note="")
        for number in range(self.size):
            self.workers.append(self._start(number))
        while self.waiting or self.elsewhere or any(worker.run for worker in self.workers):
            self._look_elsewhere()
            for worker in self.workers:
                if worker.run is None:
                    self._hand_out(worker)
            ready = wait([w.pipe for w in self.workers], timeout=POLL / 4)
            for worker in list(self.workers):
                if worker.pipe in ready:
                    self._listen(worker)
        return self.outcome

    def _hand_out(self, worker: Worker) -> None:
        for _ in range(len(self.waiting)):
            run = self.waiting.popleft()
            if run.done or is_claimed(run.folder):
                self.elsewhere.append(run)  # since the plan was made
                continue
            if run.start and not run.start.done:
                if run.start.folder in {crashed.folder for crashed in self.outcome.crashed}:
                    self._crashed(run, f"what it starts from has crashed: {name_of(run.start)}")
                else:
                    self.waiting.append(run)
                continue
            worker.run, worker.started = run, time.monotonic()
            self._show(worker, 0, None, name_of(run))
            with suppress(OSError):  # it has just died: the next look at its pipe tells
                worker.pipe.send(run)
            return

    def _listen(self, worker: Worker) -> None:
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        if kind == "step":
            step, total = content
            self._show(worker, step, total)
            return
        run, worker.run = worker.run, None
        if run is None:
            return
        if kind == "done":
            self._finished(run, content, time.monotonic() - worker.started)
        elif kind == "elsewhere":
            self.elsewhere.append(run)
        else:
            message, number = content
            if number in NO_ROOM:
                raise GridError(f"{run.folder}: {message}; every further run would meet it too")
            self._crashed(run, message)
            # an exception may leave a worker useless, a CUDA context above all
            self._renew(worker)

    def _replace(self, worker: Worker) -> None:
        """A worker died: by the OOM killer, a signal, a fault in a library."""
        worker.process.join()
        run, code = worker.run, worker.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if run is not None:
            if run.done:
                self.elsewhere.append(run)
            elif run.folder in self.died:
                self._crashed(
                    run, f"its worker died twice ({how}); see {log_of(run, worker.number)}"
                )
            else:
                self.died.add(run.folder)
                self.waiting.appendleft(run)
                self.say(f"worker {worker.number} died ({how}); {name_of(run)} is tried once more")
        self._renew(worker)

    def _renew(self, worker: Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        if self.bar and worker.row is not None:
            self.bar.remove_task(worker.row)
        self.workers[self.workers.index(worker)] = self._start(worker.number)

    def _look_elsewhere(self) -> None:
        """Take up runs that another process has finished, or given up."""
        if not self.elsewhere or time.monotonic() - self.looked < POLL:
            return
        self.looked = time.monotonic()
        still = []
        for run in self.elsewhere:
            try:
                record = found(run)
            except RecordError as error:
                self._crashed(run, str(error))
                continue
            if record and run.done:
                self._finished(run, record, None)
            elif is_claimed(run.folder):
                still.append(run)
            elif (run.folder / CRASH).exists():
                self._crashed(run, "in another process")
            else:
                self.waiting.append(run)
        self.elsewhere = still

    # ---------------------------------------------------------------- processes

    def _start(self, number: int) -> Worker:
        ours, theirs = multiprocessing.Pipe()
        device = {"CUDA_VISIBLE_DEVICES": self.gpus[number % len(self.gpus)]} if self.gpus else {}
        # libraries read these once, when the child loads them; busy waiting costs ten times more
        # where workers outnumber idle cores
        calm = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(self.threads), **device}
        kept = {name: os.environ.get(name) for name in calm}
        os.environ.update(calm)
        # inherited: Ctrl-C reaches the whole group, and is for the parent alone to act on
        heeded = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process = multiprocessing.get_context("spawn").Process(
                target=work, args=(theirs, number, self.threads), daemon=True
            )
            process.start()
        finally:
            signal.signal(signal.SIGINT, heeded)
            for name, value in kept.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        theirs.close()
        worker = Worker(number, process, ours)
        if self.bar:
            worker.row = self.bar.add_task(f"worker {number}", total=None, note="starting")
        return worker

    def stop(self) -> None:
        """End all workers; a claim of a dead process falls at once."""
        for worker in self.workers:
            if worker.run is not None:
                worker.process.kill()
            worker.pipe.close()  # an idle worker ends at this
        for worker in self.workers:
            worker.process.join(timeout=10)
            worker.process.kill()
            worker.process.join()
        if self.bar:
            self.bar.stop()

    # ---------------------------------------------------------------- what is said

    def _finished(self, run: LocatedRun, record: RunRecord | Peek, seconds: float | None) -> None:
        self.outcome.finished += 1
        spent = f"{seconds:.0f} s" if seconds is not None else "elsewhere"
        if isinstance(record, Peek):
            step = f"val {100 * record.val_score:.1f} at step {record.step} of {record.steps}"
            self._say_run(run, f"{step} ({spent})")
            return
        self.clock.learn(record)
        score = f"val {100 * record.val_best:.1f} test {100 * record.test_at_best:.1f}"
        self._say_run(run, f"{score} ({record.status}, {spent})")

    def _crashed(self, run: LocatedRun, message: str) -> None:
        if not (run.folder / CRASH).exists():  # it never got so far as to write its own
            with suppress(OSError):
                run.folder.mkdir(parents=True, exist_ok=True)
                crash = {"error": "GridError", "message": message, "step": None}
                write_json(run.folder / CRASH, crash)
        self.outcome.crashed.append(run)
        self._say_run(run, f"crashed: {message}")

    def _say_run(self, run: LocatedRun, what: str) -> None:
        ended = self.outcome.finished + len(self.outcome.crashed)
        ahead = [*self.waiting, *(w.run for w in self.workers if w.run)]
        left = self.clock.left(ahead, self.size)
        if self.bar:
            self.bar.update(self.whole, completed=ended, note=f"left {left}")
            self.bar.console.print(f"{name_of(run)}: {what}", highlight=False, markup=False)
        else:
            self.say(f"[{ended}/{self.total}] {name_of(run)}: {what}; left {left}")

    def _show(self, worker: Worker, step: int, total: int | None, title: str = "") -> None:
        if self.bar and worker.row is not None:
            changes: dict[str, Any] = {"completed": step, "total": total, "note": ""}
            if title:
                changes["description"] = f"worker {worker.number}: {title}"
            self.bar.update(worker.row, **changes)


def found(run: LocatedRun) -> RunRecord | Peek | None:
    """What a run has left of what is wanted.

    Raises:
        RecordError: a record that cannot be read.
    """
    peeked = read_peek(run, run.until) if run.until else None
    return peeked or read_record(run.folder)


def prune(
    runs: Sequence[LocatedRun],
    pruning: Pruning,
    records: Sequence[RunRecord],
    *,
    done: Sequence[Run],
    workers: int,
    gpus: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Outcome:
    """`execute` the best seeds of each cell, after a peek at all of them.

    Args:
        runs: that have no record yet.
        pruning: when to look, and how many go on.
        records: finished runs, of these cells among others.
        done: runs of the same cells that have one.
        workers: as `execute`.
        gpus: as `execute`.
        say: prints a line.
    """
    settings: dict[str, Any] = {"workers": workers, "gpus": gpus, "records": records, "say": say}
    seen = [replace(run, until=pruning.fraction) for run in runs]
    looked = execute([run for run in seen if not run.done], **settings)
    finished = {record.key: record for record in records}
    chosen = pruning.survivors([*done, *runs], finished)
    say(f"{len(chosen)} of {len(runs)} seeds go on")
    outcome = execute([run for run in chosen if isinstance(run, LocatedRun)], **settings)
    for run in chosen:
        if record := read_record(run.folder):
            finished[run.key] = record
    say(pruning.saving([*done, *runs], finished))
    return Outcome(outcome.finished, [*looked.crashed, *outcome.crashed])
