"""The outcome of one run in a line."""

import pytest

from stablebert.report.run_summary import describe_status, summarize_record
from tests.helpers.records import make_cell, make_record


def test_the_summary_shows_scores_times_100():
    record = make_record(make_cell("mrpc"), (3, 4), 0.8725, test_at_last=0.5)
    assert summarize_record(record) == (
        "mrpc standard 3epochs seed 3/4 (ok): test f1 87.2 with the weights of step 9 (val 87.2), "
        "50.0 with the last weights"
    )


@pytest.mark.parametrize(
    ("task", "score", "status", "text"),
    [
        ("rte", 0.7, "ok", "ok"),
        ("stsb", 0.01, "ok", "ok, at chance"),
        ("cola", 0.2, "failed", "failed"),
        ("rte", 0.5, "failed", "failed, at chance"),
    ],
)
def test_the_status_says_whether_a_run_is_at_chance(task, score, status, text):
    assert describe_status(make_record(make_cell(task), 0, score, status=status)) == text
