"""Runs that start from another run, which is trained first and once, and keeps its encoder."""

from dataclasses import replace

import pytest

from stablebert.runs.predictions import digest_of
from stablebert.runs.record import RecordError, read_record
from stablebert.runs.run import Job
from stablebert.training import lifecycle
from stablebert.training.lifecycle import open_run, run_job, train_run
from tests.helpers.lifecycles import forced
from tests.helpers.outcomes import make_outcome, predict, store
from tests.helpers.runs import FINISHED, make_run, names_in, store_run_record


def test_the_start_is_trained_first_and_keeps_its_encoder(tmp_path, fit):
    start = make_run(tmp_path, "task=sst2")
    run = make_run(tmp_path, "method=intermediate", start=start)
    train_run(run)
    assert fit == [start, run]
    assert Job(run).prerequisite.is_done


def test_a_start_whose_encoder_is_lost_is_trained_again(tmp_path, fit):
    start = make_run(tmp_path, "task=sst2")
    run = make_run(tmp_path, "method=intermediate", start=start)
    train_run(start)
    train_run(run)
    assert fit == [start, start, run]


@pytest.fixture
def saved_encoders(fit, monkeypatch):
    """Number of the training of each encoder that was saved."""
    saved = []

    def save(model, folder, **_):
        folder.mkdir(exist_ok=True)
        saved.append(len(fit))

    monkeypatch.setattr(lifecycle, "save_encoder", save)
    return saved


def test_record_and_encoder_of_a_start_are_of_one_training(
    tmp_path, fit, saved_encoders, monkeypatch, caplog
):
    """On a GPU, the training of a finished run whose encoder is lost may give another record."""
    start = make_run(tmp_path, "task=sst2")
    train_run(start)
    test = store(test_at_last=predict((5, 5), (10, 10)))
    train_again = lifecycle.fit
    monkeypatch.setattr(
        lifecycle, "fit", lambda *args: replace(train_again(*args), predictions=test)
    )
    record = run_job(Job(start, keep_encoder=True))
    assert (fit, saved_encoders) == ([start, start], [2])
    assert read_record(start.folder) == record
    assert record.predictions_digest == digest_of(test)
    assert "another process" not in caplog.text


def test_the_encoder_of_a_faster_process_is_kept(run, saved_encoders):
    with open_run(Job(run, keep_encoder=True)) as session:
        store_run_record(run)
        (run.folder / "encoder").mkdir()
        session.store(make_outcome())
    assert saved_encoders == []


def test_a_start_without_a_record_is_trained_again(pair, fit):
    """Its process was killed after it had saved the encoder."""
    run, start = pair
    (start.folder / "encoder").mkdir(parents=True)
    record = train_run(run)
    assert fit == [start, run]
    assert record.start["config_id"] == start.config_id


def test_a_damaged_record_of_a_start_is_reported_before_the_training(pair, fit):
    run, start = pair
    train_run(run)
    (start.folder / "result.json").write_text("{")
    with pytest.raises(RecordError, match="sst2"):
        train_run(forced(run))
    assert fit == [start, run]


def test_a_record_of_a_start_that_is_deleted_during_the_training_is_an_error(pair, fit):
    run, start = pair
    train_run(run)

    def delete_record():
        with open_run(Job(forced(run))) as session:
            (start.folder / "result.json").unlink()
            session.store(make_outcome())

    with pytest.raises(RecordError, match=r"sst2.*result\.json: deleted while"):
        delete_record()


def test_what_a_killed_process_left_in_a_finished_start_is_deleted(pair, fit):
    run, start = pair
    train_run(start)
    (start.folder / "encoder").mkdir()
    (start.folder / f"history.jsonl.{'0' * 32}.part").touch()
    train_run(run)
    assert names_in(start.folder) == {*FINISHED, "encoder"}


def test_a_forced_start_replaces_its_encoder(pair, fit, monkeypatch):
    run, start = pair
    train_run(run)
    saved = []
    monkeypatch.setattr(lifecycle, "save_encoder", lambda model, folder, **_: saved.append(folder))
    train_run(forced(start))
    assert saved == [start.folder / "encoder"]


def test_a_start_is_trained_once_for_all_runs(tmp_path, fit):
    start = make_run(tmp_path, "task=sst2")
    runs = [make_run(tmp_path, "method=intermediate", f"seed={i}", start=start) for i in (0, 1)]
    for run in runs:
        train_run(run)
    assert fit == [start, *runs]


@pytest.mark.parametrize("keep_encoder", [False, True])
def test_the_encoder_is_kept_on_request(tmp_path, fit, keep_encoder):
    job = Job(make_run(tmp_path), keep_encoder=keep_encoder)
    assert run_job(job) == read_record(job.run.folder)
    assert ("encoder" in names_in(job.run.folder)) == keep_encoder
