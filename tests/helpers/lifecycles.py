"""Runs that are trained, or that finish or fail without training."""

from dataclasses import replace

import pytest

from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.runs.run import Job
from stablebert.training.lifecycle import open_run, train_run
from tests.helpers.outcomes import make_outcome
from tests.helpers.runs import history_of


def forced(run):
    """Return the run with a request to replace its record."""
    return replace(run, cfg=replace(run.cfg, force=True))


def finish(run, **changes):
    """Finish a run without training it; return its record."""
    with open_run(Job(run)) as session:
        session.loggers[0].log_metrics({"train/loss": 1.5}, step=1)
        return session.store(make_outcome(**changes))


def fail(run, error):
    """End a run with an error after it has logged a step."""

    def raise_in_run():
        with open_run(Job(run)) as session:
            session.loggers[0].log_metrics({"train/loss": 1.5}, step=1)
            session.watch.step = 7
            raise error

    with pytest.raises(type(error)):
        raise_in_run()


def train_and_read(arguments):
    """Train a run; return its record and history."""
    run = locate(compose(arguments))
    return train_run(run), history_of(run.folder)
