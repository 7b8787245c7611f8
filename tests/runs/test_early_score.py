"""Early scores: stored per fraction, and a damaged one is reported with its file."""

import json
import shutil
from dataclasses import asdict

import pytest

from stablebert.runs.early_score import EarlyScore, read_early_score, read_result, write_early_score
from stablebert.runs.record import RecordError
from stablebert.runs.run import Job, early_score_file
from tests.helpers.runs import make_run, store_run_record

SCORE = EarlyScore(step=5, steps=20, val_score=0.625, seconds=1.5)


def test_a_score_is_read_as_it_was_written(run):
    write_early_score(run, 0.25, SCORE)
    assert read_early_score(run, 0.25) == SCORE


def test_every_fraction_has_its_own_score(run):
    write_early_score(run, 0.25, SCORE)
    assert read_early_score(run, 0.5) is None


@pytest.mark.parametrize("text", ["", '{"step": 5', "[]", '{"step": 5}', '{"other": 1}'])
def test_a_damaged_score_is_reported_with_its_file(run, text):
    early_score_file(run, 0.25).write_text(text)
    with pytest.raises(RecordError, match=r"peek-0\.25\.json: .*; delete the file"):
        read_early_score(run, 0.25)


@pytest.mark.parametrize("edit", [("0.625", "0.725"), ('"step": 5', '"step": 6')])
def test_an_edited_score_is_reported(run, edit):
    write_early_score(run, 0.25, SCORE)
    file = early_score_file(run, 0.25)
    file.write_text(file.read_text().replace(*edit))
    with pytest.raises(RecordError, match="its digest does not match"):
        read_early_score(run, 0.25)


def test_a_copied_score_is_not_that_of_another_run(tmp_path):
    one, two = (make_run(tmp_path, f"seed={seed}") for seed in (0, 1))
    one.folder.mkdir(parents=True)
    write_early_score(one, 0.25, SCORE)
    shutil.copytree(one.folder, two.folder)
    with pytest.raises(RecordError, match="the score of another run"):
        read_early_score(two, 0.25)


def test_a_score_without_digest_and_names_is_read(run):
    early_score_file(run, 0.25).write_text(json.dumps(asdict(SCORE)))
    assert read_early_score(run, 0.25) == SCORE


@pytest.mark.parametrize("value", [{"step": 21}, {"val_score": 1.5}, {"seconds": -1}])
def test_an_impossible_score_is_reported(run, value):
    early_score_file(run, 0.25).write_text(json.dumps(asdict(SCORE) | value))
    with pytest.raises(RecordError, match="values out of range"):
        read_early_score(run, 0.25)


@pytest.mark.parametrize("stop_after", [None, 0.25])
def test_the_result_of_a_job_is_its_score_or_else_the_record(run, stop_after):
    job = Job(run, stop_after=stop_after)
    assert read_result(job) is None
    record = store_run_record(run)
    assert read_result(job) == record
    write_early_score(run, 0.25, SCORE)
    assert read_result(job) == (SCORE if stop_after else record)
