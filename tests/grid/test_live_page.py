"""The page that a grid refreshes."""

import pytest

from stablebert.grid import live_page
from stablebert.grid.live_page import LivePage, is_due


@pytest.mark.parametrize(
    ("now", "expected"), [(10.0, False), (207.9, False), (208.0, True), (1000.0, True)]
)
def test_a_page_that_takes_two_seconds_is_due_after_198_more(now, expected):
    assert is_due(now, end=10.0, duration=2.0) is expected


class Clock:
    """A clock that a test moves."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(live_page.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def written(clock):
    """States of the grid with which the page has been written; that takes three seconds."""
    return []


@pytest.fixture
def page(written, clock):
    def write(is_running):
        clock.now += 3
        written.append(is_running)

    return LivePage(write, pytest.fail)


def test_the_first_refresh_writes_the_page(page, written):
    page.refresh()
    assert written == [True]


def test_a_thousand_runs_in_an_hour_take_a_hundredth_of_it(page, written, clock):
    for _ in range(1000):
        clock.now += 3.6
        page.refresh()
    assert 3 * len(written) <= 0.01 * 3600 + 3


def test_the_last_page_is_written_at_once(page, written):
    page.refresh()
    page.finish()
    assert written == [True, False]


def test_an_error_is_reported_once(clock):
    def fail(is_running):
        raise OSError("disk full")

    lines = []
    page = LivePage(fail, lines.append)
    page.refresh()
    page.finish()
    assert lines == ["the page could not be written: OSError: disk full"]
