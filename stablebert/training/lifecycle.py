"""The lifecycle of a run: its claim, its history and mirror, and its record or crash record."""

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger

from stablebert.config.serialize import to_yaml
from stablebert.errors import InputError, machine_fault, mask_credentials
from stablebert.models.loading import save_encoder, whole_weights
from stablebert.runs.claims import ClaimedError, clean_folder, hold_claim
from stablebert.runs.early_score import EarlyScore, read_result, write_early_score
from stablebert.runs.files import (
    CONFIG,
    CRASH,
    ENCODER,
    HISTORY,
    PREDICTIONS,
    RESULT,
    WEIGHTS,
    write_bytes,
    write_json,
    write_text,
)
from stablebert.runs.predictions import serialize_predictions
from stablebert.runs.record import RunRecord, read_record, serialize_record
from stablebert.runs.run import Job, LocatedRun
from stablebert.runs.weights import save_weights
from stablebert.signals import stop_signal
from stablebert.tracking.mirror import Mirror, mirror_finished_run, open_mirror
from stablebert.training.checkpoint import RunCheckpoint
from stablebert.training.fit import fit, fit_partly
from stablebert.training.loggers import HistoryLogger, MirrorLogger
from stablebert.training.outcome import Outcome, make_record
from stablebert.training.stopwatch import Stopwatch
from stablebert.version import versions

log = logging.getLogger(__name__)


def run_job(job: Job, watchers: Sequence[Callback] = ()) -> RunRecord | EarlyScore:
    """Do a job, unless its output exists.

    Args:
        job: The job.
        watchers: Callbacks that observe the training without changing it.

    Returns:
        The record of the run, or its early score if the job stops after a fraction.

    Raises:
        ClaimedError: If another process is executing the run.
        Exception: Whatever training raised; crash.json describes it if the run is to blame.
    """
    if job.stop_after is None:
        return _train(job, watchers)
    return _validate_early(job, job.stop_after, watchers)


def train_run(run: LocatedRun, watchers: Sequence[Callback] = ()) -> RunRecord:
    """Train and test a run; leave its files in its folder, result.json last.

    Args:
        run: The run; if it has finished, its record is returned.
        watchers: Callbacks that observe the training without changing it.

    Raises:
        ClaimedError: If another process is executing the run.
        Exception: Whatever training raised; crash.json describes it if the run is to blame.
    """
    return _train(Job(run), watchers)


def train_when_free(job: Job) -> RunRecord:
    """Train a run, waiting while another process executes it."""
    is_waiting = False
    while True:
        try:
            return _train(job)
        except ClaimedError as error:
            if not is_waiting:
                log.warning("waiting: %s", error)
            is_waiting = True
            time.sleep(1)


def _train(job: Job, watchers: Sequence[Callback] = ()) -> RunRecord:
    """Train and test the run of a job, unless its output exists."""
    try:
        _prepare(job)
    except BaseException as error:  # else a sweep would never hear of its W&B run
        _end_mirror(open_mirror(job.run), error)
        raise
    with open_run(job) as session:
        if session.record:
            return session.record
        outcome = fit(job.run, session.loggers, watchers, session.watch, session.checkpoint)
        return session.store(outcome)


def _validate_early(
    job: Job, fraction: float, watchers: Sequence[Callback]
) -> RunRecord | EarlyScore:
    """Train a run for a fraction of its steps and store its score, unless its output exists."""
    _prepare(job)
    with hold_claim(job.run.folder):
        if result := read_result(job):  # another process was first
            return result
        watch = Stopwatch()
        try:
            score = fit_partly(job.run, fraction, watchers, watch)
            write_early_score(job.run, fraction, score)
        except Exception as error:
            if _is_run_at_fault(error):
                write_json(job.run.folder / CRASH, _crash_record(error, watch.step))
            raise
        return score


def _prepare(job: Job) -> None:
    """Create the folder of a run, and train the run that it starts from unless that is done."""
    job.run.folder.mkdir(parents=True, exist_ok=True)
    start = job.prerequisite
    if start and not start.is_done:
        log.info("training the run that others start from: %s", start.run.folder)
        train_when_free(start)
    if start:
        clean_folder(start.run.folder)
        read_record(start.run.folder)  # a damaged one is an error now, not after the training


@contextmanager
def open_run(job: Job) -> Iterator["Session"]:
    """Hold the claim on a run and keep its files and mirror consistent, however the block ends.

    If the block stores a record, it becomes the record of the run. If the block raises an
    exception, a crash record is written, unless the folder (a full disk) or an input (a damaged
    model) is to blame or the process was asked to stop: then the run counts as missing.

    Raises:
        ClaimedError: If another process is executing the run.
    """
    with hold_claim(job.run.folder):
        session = Session(job)
        if session.record:
            mirror_finished_run(session.record, job.run)
            yield session
            return
        session.open()
        try:
            yield session
        except BaseException as error:
            session.abort(error)
            raise
        session.close()


class Session:
    """A run in progress: its loggers, stopwatch and record.

    Attributes:
        record: Record of the run; None until it has finished.
        loggers: Loggers of the Trainer: the history and, if enabled, the mirror in W&B.
        watch: Stopwatch of the run.
        checkpoint: Checkpoint of the run, once it is open.
    """

    checkpoint: RunCheckpoint

    def __init__(self, job: Job):
        self._job = job
        self._run = job.run
        # a forced run replaces a record when it has finished, not before
        self._had_record = (job.run.folder / RESULT).exists()
        is_finished = job.is_done and not job.run.cfg.force
        self.record = read_record(job.run.folder) if is_finished else None
        self.loggers: list[Logger] = []
        self._mirror: Mirror | None = None
        self.watch = Stopwatch()

    def open(self) -> None:
        """Write the configuration and open history and mirror."""
        folder = self._run.folder
        versions()  # of the code that starts, not of what is checked out when it ends
        if not self._had_record:
            write_text(folder / CONFIG, to_yaml(self._run.cfg))
        self._history = HistoryLogger(folder / HISTORY)
        self.checkpoint = RunCheckpoint(self._run, self._history)
        if self._run.cfg.force:
            self.checkpoint.delete()
        self._mirror = open_mirror(self._run)
        self.loggers = [self._history]
        if self._mirror:
            self.loggers.append(MirrorLogger(self._mirror))

    def store(self, outcome: Outcome) -> RunRecord:
        """Store the outcome of the run; return its record, or that of a faster process."""
        cfg, folder = self._run.cfg, self._run.folder
        record = make_record(self._run, outcome, pruned_from=self._job.pruned_from)
        if self._job.is_done and not cfg.force:
            log.warning("another process finished this run first: its record is kept")
            self._history.discard()
            record = read_record(folder) or record
        else:
            # all files must be of one training, so a record without what the job keeps is replaced
            replace_record = cfg.force or (folder / RESULT).exists()
            self._history.complete()
            write_text(folder / CONFIG, to_yaml(replace(cfg, force=False)))
            predictions = serialize_predictions({record.key: outcome.predictions})
            write_bytes(folder / PREDICTIONS, predictions)
            # a forced run replaces even an encoder and weights that are no longer requested
            if self._job.keep_encoder or (folder / ENCODER).exists():
                save_encoder(outcome.model, folder / ENCODER, tokenizer=self._run.model)
            if cfg.trainer.keep_weights or (folder / WEIGHTS).exists():
                save_weights(whole_weights(outcome.model), folder, record)
            # before the record: a process that is killed here must not leave both
            (folder / CRASH).unlink(missing_ok=True)
            if not write_json(folder / RESULT, serialize_record(record), replace=replace_record):
                record = read_record(folder) or record
        self.checkpoint.delete()
        self.record = record
        return record

    def close(self) -> None:
        """Finish the mirror."""
        if self._mirror and self.record:
            self._mirror.finish(self.record, self._run)

    def abort(self, error: BaseException) -> None:
        """Write a crash record and end the mirror as failed, or as preempted on a stop request."""
        if _is_run_at_fault(error) and not self._had_record:
            write_json(self._run.folder / CRASH, _crash_record(error, self.watch.step))
            self._history.complete()
        else:
            self._history.discard()
        _end_mirror(self._mirror, error)


def _is_crash(error: BaseException) -> bool:
    """Return whether an error is not a request to stop, even if a library has wrapped one."""
    return isinstance(error, Exception) and not stop_signal()


def _is_run_at_fault(error: BaseException) -> bool:
    """Return whether an error is the fault neither of the folder nor of an input."""
    return _is_crash(error) and not (machine_fault(error) or isinstance(error, InputError))


def _end_mirror(mirror: Mirror | None, error: BaseException) -> None:
    """End a mirror as failed, or as preempted on a stop request."""
    if mirror and _is_crash(error):
        mirror.crash(error)
    elif mirror:
        mirror.preempt()


def _crash_record(error: BaseException, step: int) -> dict[str, Any]:
    """Return the content of crash.json."""
    return {
        "error": type(error).__name__,
        "message": mask_credentials(str(error)),
        "step": step,
        "traceback": mask_credentials("".join(traceback.format_exception(error))),
        "versions": versions(),
    }
