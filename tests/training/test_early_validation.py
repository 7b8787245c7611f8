"""The early validation of a run: it stores only its score, or a crash record."""

import errno
import json

import pytest

from stablebert.errors import InputError
from stablebert.runs.early_score import EarlyScore, read_early_score, write_early_score
from stablebert.runs.run import Job
from stablebert.training import lifecycle
from stablebert.training.lifecycle import run_job
from tests.helpers.runs import make_run, names_in, store_run_record


def test_an_early_validation_stores_only_its_score(tmp_path, monkeypatch):
    score = EarlyScore(5, 20, 0.6, 1.0)
    monkeypatch.setattr(lifecycle, "fit_partly", lambda *_: score)
    run = make_run(tmp_path)
    assert run_job(Job(run, stop_after=0.25)) == score
    assert read_early_score(run, 0.25) == score
    assert names_in(run.folder) == {"peek-0.25.json"}


def test_an_early_validation_that_another_process_has_done_is_not_repeated(tmp_path, monkeypatch):
    """The other process ends between the check of the grid and the claim."""
    run, score = make_run(tmp_path), EarlyScore(5, 20, 0.6, 1.0)
    run.folder.mkdir(parents=True)
    write_early_score(run, 0.25, score)
    monkeypatch.setattr(lifecycle, "fit_partly", lambda *_: pytest.fail("it is repeated"))
    assert run_job(Job(run, stop_after=0.25)) == score
    record = store_run_record(run)
    assert run_job(Job(run, stop_after=0.5)) == record


def fail_early(run, monkeypatch, error):
    """End the early validation of a run with an error after seven steps."""

    def fit_partly(run, fraction, watchers, watch):
        watch.step = 7
        raise error

    monkeypatch.setattr(lifecycle, "fit_partly", fit_partly)
    with pytest.raises(type(error)):
        run_job(Job(run, stop_after=0.25))


def test_an_exception_in_an_early_validation_leaves_a_crash_record(run, monkeypatch):
    fail_early(run, monkeypatch, RuntimeError("out of luck"))
    crash = json.loads((run.folder / "crash.json").read_text())
    assert (crash["error"], crash["message"], crash["step"]) == ("RuntimeError", "out of luck", 7)
    assert "in fit_partly" in crash["traceback"]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full"), InputError("truncated")]
)
def test_an_early_validation_without_fault_of_the_run_leaves_no_crash_record(
    run, monkeypatch, error
):
    fail_early(run, monkeypatch, error)
    assert names_in(run.folder) == set()
