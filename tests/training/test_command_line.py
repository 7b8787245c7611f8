"""The command `stablebert train`: its exit status, its output, and a finished run without torch."""

import re
import subprocess
import sys

import pytest

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.runs.claims import hold_claim
from stablebert.runs.locate import locate
from stablebert.training import lifecycle
from tests.helpers.outcomes import make_outcome
from tests.helpers.runs import store_run_record
from tests.helpers.terminal import run_on_terminal


@pytest.fixture
def arguments(tmp_path):
    """Arguments of a run of the demo."""
    return ["scale=demo", "task=rte", f"paths.runs={tmp_path / 'runs'}"]


@pytest.fixture
def run(arguments):
    """Run of the demo."""
    return locate(compose(arguments))


def test_a_run_prints_its_scores_and_its_record(arguments, run, monkeypatch, capsys):
    monkeypatch.setattr(lifecycle, "fit", lambda *_: make_outcome())
    assert main(["train", *arguments]) == 0
    summary, path = capsys.readouterr().out.splitlines()
    assert "test accuracy 85.0" in summary
    assert path == str(run.folder / "result.json")


def test_a_crash_is_printed_and_fails(arguments, monkeypatch, capsys):
    monkeypatch.setattr(lifecycle, "fit", lambda *_: 1 / 0)
    assert main(["train", *arguments]) == 1
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err


@pytest.fixture
def fits(monkeypatch):
    """Runs that were trained, by a function in place of training."""
    runs = []

    def fit(run, *_):
        runs.append(run)
        return make_outcome()

    monkeypatch.setattr(lifecycle, "fit", fit)
    return runs


def test_a_finished_run_is_reported_and_not_trained_again(arguments, run, fits, capsys):
    store_run_record(run)
    assert main(["train", *arguments]) == 0
    assert "done already; force=true runs it again" in capsys.readouterr().out
    assert fits == []


def test_force_trains_a_finished_run_again(arguments, run, fits):
    store_run_record(run)
    assert main(["train", *arguments, "force=true"]) == 0
    assert len(fits) == 1


def test_a_run_that_another_process_executes_is_refused(arguments, run, fits, capsys):
    """docs/pitfalls.md, 20."""
    run.folder.mkdir(parents=True)
    with hold_claim(run.folder):
        assert main(["train", *arguments]) == 1
    error = capsys.readouterr().err
    assert "is being run by process" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "inputs",
    [("data.source=/absent", "model.name=demo-like"), ("data.source=demo", "model.name=/absent")],
)
def test_missing_inputs_are_reported_before_training(tmp_path, capsys, inputs):
    assert main(["train", "scale=mini", f"paths.runs={tmp_path / 'runs'}", *inputs]) == 1
    error = capsys.readouterr().err
    assert "/absent" in error
    assert "Traceback" not in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_finished_run_is_reported_without_torch(arguments, run):
    store_run_record(run)
    code = "import sys; from stablebert.cli.main import main; main(sys.argv[1:]);"
    code += "sys.exit('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "train", *arguments]
    child = subprocess.run(command, check=True, capture_output=True, text=True)
    assert str(run.folder / "result.json") in child.stdout


@pytest.mark.slow
def test_a_terminal_shows_steps_remaining_time_and_score(run_arguments):
    status, output = run_on_terminal("train", *run_arguments("seed=8"))
    assert status == 0, output
    assert re.search(
        r"rte standard 3epochs seed 8 .* 20/20 elapsed .* left .*\d:\d\d val \d+\.\d", output
    )
