"""The history of a run: one line per step, and its name only when it is complete."""

import json
import math
from pathlib import Path

import pytest

from stablebert.drafts import remove_leftovers
from stablebert.training.loggers import HistoryLogger, MirrorLogger, finite_or_none
from tests.helpers.disk import full_disk


@pytest.fixture
def history(tmp_path):
    """History that is being written."""
    return HistoryLogger(tmp_path / "history.jsonl")


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_all_numbers_of_a_step_are_one_line(history):
    history.log_metrics({"train/loss": 1.5}, step=1)
    history.log_metrics({"val/score": 0.5}, step=1)
    history.log_metrics({"train/loss": 1.25}, step=2)
    history.complete()
    assert lines_of(history.path) == [
        {"step": 1, "train/loss": 1.5, "val/score": 0.5},
        {"step": 2, "train/loss": 1.25},
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_becomes_null(history, value):
    history.log_metrics({"train/loss": value}, step=1)
    history.complete()
    assert lines_of(history.path) == [{"step": 1, "train/loss": None}]


@pytest.mark.parametrize("value", [0, 0.5, "text", None])
def test_other_values_stay_as_they_are(value):
    assert finite_or_none(value) == value


def test_an_incomplete_history_does_not_have_its_name(history):
    history.log_metrics({"train/loss": 1.5}, step=1)
    assert not history.path.exists()


def test_an_older_history_stays_until_the_new_one_is_complete(history):
    history.path.write_text("old")
    history.log_metrics({"train/loss": 1.5}, step=1)
    assert history.path.read_text() == "old"
    history.complete()
    assert lines_of(history.path) == [{"step": 1, "train/loss": 1.5}]


def test_a_discarded_history_leaves_the_older_one(history):
    history.path.write_text("old")
    history.discard()
    assert [file.name for file in history.path.parent.iterdir()] == ["history.jsonl"]
    assert history.path.read_text() == "old"


def test_a_history_on_a_full_disk_is_named(history):
    history.log_metrics({"a": 1.0}, 1)
    with full_disk(), pytest.raises(OSError, match=r"File too large: '.*history\.jsonl'"):
        history.complete()


def test_a_history_on_a_full_disk_is_discarded(history):
    history.log_metrics({"a": 1.0}, 1)
    history.flush()
    with full_disk():
        history.discard()
    assert not history.part.exists()


def test_a_history_is_protected_until_it_has_its_name(history, monkeypatch):
    """Another process takes over the run while this one completes its history."""
    replace = Path.replace

    def replace_late(path, target):
        remove_leftovers(path.parent)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_late)
    history.log_metrics({"a": 1.0}, 1)
    history.complete()
    assert len(lines_of(history.path)) == 1


def test_completing_twice_changes_nothing(history):
    history.log_metrics({"train/loss": 1.5}, step=1)
    history.complete()
    history.complete()
    assert len(lines_of(history.path)) == 1


def test_two_histories_of_one_run_never_share_a_file(tmp_path):
    one, two = (HistoryLogger(tmp_path / "history.jsonl") for _ in range(2))
    assert one.part != two.part


def test_a_mirror_gets_the_metrics_of_every_step():
    entries = []

    class Sink:
        def log(self, metrics, step):
            entries.append((metrics, step))

    logger = MirrorLogger(Sink())
    logger.log_metrics({"train/loss": 1.5}, step=3)
    assert entries == [({"train/loss": 1.5}, 3)]


def test_the_text_of_a_history_has_the_line_of_the_current_step(history):
    history.log_metrics({"train/loss": 1.5}, step=1)
    history.log_metrics({"train/loss": 1.25}, step=2)
    text = history.text()
    history.complete()
    assert history.path.read_text() == text
