"""Wall time by phase: validation does not count as training."""

from contextlib import suppress
from types import SimpleNamespace

import pytest

from stablebert.training import stopwatch
from stablebert.training.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """Clock whose `now` the test sets, in seconds."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: clock.now)
    return clock


def test_a_phase_takes_as_long_as_its_block(clock):
    watch = Stopwatch()
    with watch.phase("load"):
        clock.now += 3
    with watch.phase("load"):
        clock.now += 4
    assert watch.seconds == {"load": 7, "train": 0, "validate": 0, "test": 0}


def test_validation_is_not_part_of_training(clock):
    watch = Stopwatch()
    with watch.phase("train"):
        clock.now += 10
        watch.on_validation_start(None, None)
        clock.now += 2
        watch.on_validation_end(None, None)
        clock.now += 1
    assert (watch.seconds["train"], watch.seconds["validate"]) == (11, 2)


def test_validations_are_counted(clock):
    watch = Stopwatch()
    for _ in range(3):
        watch.on_validation_start(None, None)
        watch.on_validation_end(None, None)
    assert watch.evaluations == 3


def test_a_phase_that_raises_is_measured(clock):
    watch = Stopwatch()
    with suppress(ZeroDivisionError), watch.phase("train"):
        clock.now += 5
        1 / 0  # noqa: B018
    assert watch.seconds["train"] == 5


def test_the_step_is_the_trainer_s_last_one():
    watch = Stopwatch()
    watch.on_train_batch_end(SimpleNamespace(global_step=7))
    assert watch.step == 7


def test_the_time_of_an_earlier_attempt_is_added(clock):
    first, second = Stopwatch(), Stopwatch()
    with first.phase("train"):
        clock.now += 5
        state = first.state_dict()
        clock.now += 100  # after the checkpoint
    with second.phase("train"):
        clock.now += 2
        second.load_state_dict(state)
        clock.now += 1
    assert second.seconds["train"] == 8


def test_the_validations_of_an_earlier_attempt_count(clock):
    first, second = Stopwatch(), Stopwatch()
    for watch in (first, second):
        watch.on_validation_start(None, None)
        watch.on_validation_end(None, None)
        if watch is first:
            second.load_state_dict(first.state_dict())
    assert second.evaluations == 2
