"""The mirror of a run in its lifecycle: what it logs, and how it ends."""

import pytest

from stablebert.runs.run import Job
from stablebert.training import lifecycle
from stablebert.training.lifecycle import open_run, train_run
from tests.helpers.lifecycles import fail, finish
from tests.helpers.outcomes import make_outcome


class Mirror:
    """Mirror that remembers how it ended."""

    def __init__(self):
        self.rows, self.end = [], None

    def log(self, metrics, step):
        self.rows.append((metrics, step))

    def finish(self, record, run):
        self.end = record

    def crash(self, error):
        self.end = error

    def preempt(self):
        self.end = "preempted"


@pytest.fixture
def mirror(monkeypatch):
    """Mirror of the runs that the test opens."""
    mirror = Mirror()
    monkeypatch.setattr(lifecycle, "open_mirror", lambda run: mirror)
    return mirror


def test_the_mirror_is_a_logger(run, mirror):
    with open_run(Job(run)) as session:
        for logger in session.loggers:
            logger.log_metrics({"train/loss": 1.5}, step=1)
        session.store(make_outcome())
    assert mirror.rows == [({"train/loss": 1.5}, 1)]


def test_the_mirror_ends_with_the_record(run, mirror):
    assert finish(run) == mirror.end


def test_the_mirror_ends_with_the_error(run, mirror):
    error = RuntimeError("out of luck")
    fail(run, error)
    assert mirror.end is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_the_mirror_ends_as_preempted_on_a_stop_request(run, mirror, error):
    fail(run, error)
    assert mirror.end == "preempted"


@pytest.mark.parametrize(
    ("error", "end"), [(ValueError("out of luck"), None), (KeyboardInterrupt(), "preempted")]
)
def test_the_mirror_ends_with_the_error_of_the_run_that_it_starts_from(
    pair, mirror, monkeypatch, error, end
):
    """A sweep that hands out a W&B run must learn how it ended, to hand out a preempted one."""

    def fit(*_):
        raise error

    monkeypatch.setattr(lifecycle, "fit", fit)
    monkeypatch.setattr(lifecycle, "open_mirror", lambda run: mirror if run.start else None)
    with pytest.raises(type(error)):
        train_run(pair[0])
    assert mirror.end == (end or error)


def test_a_finished_run_is_mirrored(run, monkeypatch):
    record, mirrored = finish(run), []
    monkeypatch.setattr(lifecycle, "mirror_finished_run", lambda *pair: mirrored.append(pair))
    with open_run(Job(run)):
        pass
    assert mirrored == [(record, run)]
