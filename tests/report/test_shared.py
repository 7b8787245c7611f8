"""Files next to the records of several reports."""

import numpy as np
import pytest

from stablebert.report import shared
from stablebert.report.predictions import load_predictions
from stablebert.report.shared import SharedFiles
from stablebert.runs.predictions import RowPredictions, digest_of, serialize_predictions
from tests.helpers.records import make_cell, make_record, store_record


def make_predictions(seed):
    logits = np.array([[0.5, seed], [seed, 0.25]], np.float32)
    rows, labels = np.array([3, 5], np.int32), np.array([0, 1], np.float32)
    part = RowPredictions(source="validation", rows=rows, labels=labels, logits=logits)
    return {"test_at_last": part}


@pytest.fixture
def records(tmp_path):
    """Records of three runs: two with predictions, and one that is older."""
    found = [
        make_record(make_cell(), seed, predictions_digest=digest_of(make_predictions(seed)))
        for seed in (0, 1)
    ]
    for record in found:
        file = store_record(tmp_path, record).with_name("predictions.parquet")
        content = {record.key: make_predictions(record.seed)}
        file.write_bytes(serialize_predictions(content))
    older = make_record(make_cell(), 2)
    store_record(tmp_path, older)
    return [*found, older]


def test_a_report_gets_the_predictions_of_its_records(records, tmp_path):
    runs, problems = SharedFiles(records, [tmp_path]).predictions_of(records[:1])
    assert ([*runs], problems) == ([records[0].key], [])


def test_a_report_hears_of_its_own_records_without_predictions(records, tmp_path):
    _, problems = SharedFiles(records, [tmp_path]).predictions_of(records[1:])
    assert problems == load_predictions(records[1:], tmp_path)[1]


def test_a_report_hears_of_its_own_records_without_a_history(records, tmp_path):
    _, problems = SharedFiles(records, [tmp_path]).histories_of(records[1:])
    assert problems == ["without a valid history next to them: 2 of 2 records"]


def test_files_are_read_once_and_only_when_needed(records, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(shared, "read_predictions", lambda *_: calls.append(1) or ({}, []))
    files = SharedFiles(records, [tmp_path])
    assert not calls
    files.predictions_of(records[:1])
    files.predictions_of(records[1:])
    assert len(calls) == 1
