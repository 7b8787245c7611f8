"""Early scores: stored per fraction, and a damaged one counts as missing."""

import pytest

from stablebert.runs.early_score import EarlyScore, read_early_score, write_early_score
from stablebert.runs.run import early_score_file

SCORE = EarlyScore(step=5, steps=20, val_score=0.625, seconds=1.5)


def test_a_score_is_read_as_it_was_written(run):
    write_early_score(run, 0.25, SCORE)
    assert read_early_score(run, 0.25) == SCORE


def test_every_fraction_has_its_own_score(run):
    write_early_score(run, 0.25, SCORE)
    assert read_early_score(run, 0.5) is None


@pytest.mark.parametrize("text", ["", '{"step": 5', "[]", '{"step": 5}', '{"other": 1}'])
def test_a_damaged_score_is_missing(run, text):
    early_score_file(run, 0.25).write_text(text)
    assert read_early_score(run, 0.25) is None
