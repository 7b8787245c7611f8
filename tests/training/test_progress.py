"""Progress of a run: a bar with steps and the latest score, or messages at intervals."""

import re
from types import SimpleNamespace

import pytest

from stablebert.training import progress
from stablebert.training.progress import RunProgress, StepSender


@pytest.fixture
def trainer():
    """Trainer in step 8 of 20, with a validation score."""
    return SimpleNamespace(
        global_step=8, estimated_stepping_batches=20.0, callback_metrics={"val/score": 0.612}
    )


def test_the_bar_shows_steps_score_and_remaining_time(trainer, capsys, wide_console):
    bar = RunProgress("rte standard 3epochs seed 8")
    bar.on_train_start(trainer, None)
    bar.on_train_batch_end(trainer, None, None, None, 7)
    bar.on_validation_end(trainer, None)
    bar.on_fit_end(trainer, None)
    line = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"rte standard 3epochs seed 8 .* 8/20 elapsed .* left .* val 61\.2", line)


def test_the_bar_ends_with_an_exception(trainer, capsys):
    bar = RunProgress("rte")
    bar.on_train_start(trainer, None)
    bar.on_exception(trainer, None, RuntimeError())
    output = capsys.readouterr().out
    bar.on_train_batch_end(trainer, None, None, None, 7)
    bar.on_validation_end(trainer, None)
    assert "rte" in output
    assert capsys.readouterr().out == ""


def test_steps_are_sent_at_intervals(trainer, monkeypatch):
    messages, now = [], SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.seconds)
    sender = StepSender(lambda step, total: messages.append((step, total)), every=0.5)
    for trainer.global_step in range(1, 6):
        sender.on_train_batch_end(trainer, None, None, None, 0)
        now.seconds += 0.3
    assert messages == [(1, 20), (3, 20), (5, 20)]
