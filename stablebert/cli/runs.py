"""Commands on one run: `train` and `config`."""

import logging
import traceback
from collections.abc import Sequence

from stablebert.cli.streams import print_errors
from stablebert.config.compose import compose
from stablebert.config.own_tasks import describe_splits
from stablebert.config.recognition import RecognitionError, describe_recognitions
from stablebert.config.schema import RunConfig
from stablebert.config.serialize import to_yaml
from stablebert.errors import ActionableError, ConfigError, is_system_error, mask_credentials
from stablebert.report.run_summary import summarize_record
from stablebert.runs.claims import clean_folder
from stablebert.runs.files import RESULT
from stablebert.runs.locate import locate
from stablebert.runs.record import RunRecord, read_record
from stablebert.runs.run import Job, LocatedRun
from stablebert.signals import stop_signal
from stablebert.text import escape_controls
from stablebert.tracking.mirror import mirror_finished_run, mirror_refusal, started_by_agent


def train(overrides: Sequence[str]) -> int:
    """Train one run unless it has a record; print its summary and the file of its record."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        run = _locate_run(overrides)
        record = _read_existing_record(run) or _train(run)
    except (ActionableError, ConfigError):
        raise
    except Exception as error:
        if stop_signal() or is_system_error(error):
            raise
        text = f"{traceback.format_exc()}stablebert train: {type(error).__name__}: {error}"
        print_errors([mask_credentials(text)])
        return 1
    print(escape_controls(summarize_record(record)))
    print(run.folder / RESULT)
    return 0


def _locate_run(overrides: Sequence[str]) -> LocatedRun:
    try:
        try:
            return _locate(compose(overrides))
        except RecognitionError as error:  # the model is on this machine now
            print_errors([str(error)])
            return _locate(compose(overrides))
    except (ActionableError, ConfigError) as error:
        mirror_refusal(error)
        raise


def _locate(cfg: RunConfig) -> LocatedRun:
    print_errors([*describe_recognitions([cfg]), *describe_splits([cfg])])
    return locate(cfg)


def _read_existing_record(run: LocatedRun) -> RunRecord | None:
    """Return the record of a run that is not to be trained again."""
    try:
        record = None if run.cfg.force else read_record(run.folder)
    except ActionableError as error:
        mirror_refusal(error)
        raise
    if record and run.lacks_weights:
        print("done already, but without its weights: it is trained again")
        return None
    if record:
        clean_folder(run.folder)
        print("done already; force=true runs it again")
        mirror_finished_run(record, run)
    return record


def _train(run: LocatedRun) -> RunRecord:
    try:
        from stablebert.runs.inputs import check_inputs  # numpy: only if needed

        check_inputs([run])
    except ActionableError as error:
        mirror_refusal(error)
        raise
    from stablebert.training.lifecycle import train_run, train_when_free  # torch: only if needed

    # a sweep hands out a run only once, so wait if it is being executed elsewhere
    return train_when_free(Job(run)) if started_by_agent() else train_run(run)


def config(overrides: Sequence[str]) -> int:
    """Print the resolved configuration as YAML."""
    cfg = compose(overrides)
    print_errors(describe_recognitions([cfg]))
    print(to_yaml(cfg), end="")
    return 0
