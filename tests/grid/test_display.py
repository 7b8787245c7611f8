"""Progress of a grid: lines in a file, bars on a terminal."""

import re
from types import SimpleNamespace

import pytest

from stablebert.grid import display
from stablebert.grid.display import Display, describe_result
from stablebert.runs.early_score import EarlyScore
from tests.helpers.runs import make_run, make_run_record

RUN = make_run("runs")
FAILED = make_run_record(RUN, 0.5, status="failed")


@pytest.mark.parametrize(
    ("result", "seconds", "text"),
    [
        (make_run_record(RUN, 0.625), 12.4, "val 62.5 test 62.5 (ok, 12 s)"),
        (
            make_run_record(RUN, 0.5, status="failed"),
            None,
            "val 50.0 test 50.0 (failed, at chance, elsewhere)",
        ),
        (EarlyScore(5, 20, 0.625, 1.0), 3.0, "val 62.5 at step 5 of 20 (3 s)"),
        (EarlyScore(5, 20, 0.625, 1.0), None, "val 62.5 at step 5 of 20 (elsewhere)"),
    ],
)
def test_a_result_is_described_by_its_scores(result, seconds, text):
    assert describe_result(result, seconds) == text


@pytest.fixture
def lines():
    """Lines that a display has printed."""
    return []


def play(shown):
    """Show a worker that does one run."""
    shown.add_worker(0)
    shown.start(0, "rte standard")
    shown.advance(0, 8, 20)
    shown.end("rte standard", "val 62.5", completed=1, remaining="0:00:40")
    shown.close()


def test_a_file_gets_one_line_per_run(lines):
    play(Display(2, lines.append))
    assert lines == ["[1/2] rte standard: val 62.5; left 0:00:40"]


def test_a_message_is_a_line(lines):
    Display(2, lines.append).say("worker 0 died")
    assert lines == ["worker 0 died"]


def test_no_name_controls_the_terminal(lines):
    display = Display(2, lines.append)
    display.say("run by process 1 on \x1b[2J")
    display.end("rte", "crashed: \x1b[2J", completed=1, remaining="0:00:40")
    assert "\x1b" not in "".join(lines)


@pytest.fixture
def terminal(wide_console, monkeypatch):
    """Terminal of 140 columns, as far as the display can see."""
    stdout = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(display, "sys", SimpleNamespace(stdout=stdout))


@pytest.mark.parametrize(
    "pattern",
    [r"all runs .* 1/2 +left 0:00:40", r"worker 0: rte standard .* 8/20", "rte standard: val 62.5"],
)
def test_a_terminal_shows_every_worker_and_all_runs(terminal, lines, capsys, pattern):
    play(Display(2, lines.append))
    assert re.search(pattern, capsys.readouterr().out)
    assert lines == []


def test_a_new_worker_takes_the_bar_of_the_one_it_replaces(terminal, lines, capsys):
    bars = Display(2, lines.append)
    bars.add_worker(0)
    bars.add_worker(0)
    bars.close()
    assert capsys.readouterr().out.count("worker 0") == 1
