"""Signals at every phase of `train` and `grid`: status, message, and that a rerun completes."""

import random
import signal
from dataclasses import dataclass
from itertools import product

import pytest

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.runs.record import read_record
from stablebert.signals import signal_name
from stablebert.training.lifecycle import train_run
from tests.helpers.campaigns import check_all
from tests.helpers.fork_server import call_command, call_in_fork
from tests.helpers.phases import EXIT, Trap, run_fork_into, run_into
from tests.helpers.runs import check_is_complete, outcome_of, runs_of
from tests.helpers.warm_processes import warm_workers

pytestmark = pytest.mark.slow

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]
TRAINING = {
    "model load": "stablebert.training.build:load_model",
    "first step": "stablebert.training.module:GlueClassifier.training_step",
    "validation": "stablebert.training.module:GlueClassifier.validation_step",
    "test": "stablebert.training.module:GlueClassifier.test_step",
    "record": "stablebert.training.lifecycle:write_json",
    "after the record": "stablebert.training.lifecycle:Session.close",
}
OUTSIDE = {"start": "stablebert.cli.main", "shutdown": EXIT}
"""Phases in which the command has no handlers: the signal itself ends it, as the shell reports."""
FRESH = {"imports", *OUTSIDE}
"""Phases of `train` that a fork of a process that has imported everything does not go through."""
TRAIN = {
    "imports": "torch",
    "planning": "stablebert.cli.runs:locate",
    **TRAINING,
    "summary": "stablebert.cli.runs:summarize_record",
    **OUTSIDE,
}
GRID = {
    "imports": "stablebert.grid.executor",
    "planning": "stablebert.cli.sweeps:make_plan",
    "start of a worker": "stablebert.grid.executor:start_worker",
    "between runs": "stablebert.grid.executor:_Executor._finish",
    "end of the workers": "stablebert.grid.executor:_Executor.stop",
    **OUTSIDE,
}
WORKER = {"imports of a worker": "torch", **TRAINING}


@dataclass(frozen=True)
class Stop:
    """How a command ended after a signal, and its messages."""

    phase: str
    number: int
    status: int
    messages: str

    def check(self, command):
        """Check that it ended as documented, whatever it was doing."""
        assert "Traceback" not in self.messages, self.messages
        if self.phase in OUTSIDE:
            assert self.status == -self.number, self.messages
            return
        assert self.status == 128 + self.number, self.messages
        start = f"stablebert {command}: stopped by {signal_name(self.number)}"
        (line,) = [line for line in self.messages.splitlines() if line.startswith(start)]
        assert "rerun the command" in line


@pytest.fixture
def check_train(run_arguments, tmp_path):
    """Function that stops a run at a phase, reruns it, and compares the outcome."""
    output = tmp_path / "output"

    def run_in(folder):
        return run_arguments(f"paths.runs={folder}", "trainer.max_steps=4")

    def outcome(arguments):
        status, text = call_in_fork(call_command, "train", *arguments, output=output)
        assert status == 0, text
        run = locate(compose(arguments))
        check_is_complete([run])
        return outcome_of(read_record(run.folder))

    undisturbed = outcome(run_in(tmp_path / "undisturbed"))

    def check(trial):
        phase, number = trial
        folder = tmp_path / f"{phase} {number}"
        folder.mkdir()
        arguments = run_in(folder / "runs")
        trap = Trap(TRAIN[phase], number, "self", str(folder / "mark"))
        if phase in FRESH:
            end = run_into(trap, "train", *arguments)
        else:
            end = run_fork_into(trap, "train", *arguments, output=output)
        assert (folder / "mark").exists(), "the command did not reach the phase"
        Stop(phase, number, *end).check("train")
        assert not list(folder.rglob("crash.json"))
        assert outcome(arguments) == undisturbed

    return check


@pytest.fixture
def check_grid(sweep_arguments, tmp_path):
    """Function that stops a grid of two runs at a phase, reruns it, and compares the outcomes."""

    def grid_in(folder):
        return sweep_arguments(f"paths.runs={folder}", "seed=0", "task=rte")

    def outcomes(arguments):
        with warm_workers():
            assert main(["grid", *arguments, "--workers", "1"]) == 0
        check_is_complete(runs_of(arguments))
        return [outcome_of(read_record(run.folder)) for run in runs_of(arguments)]

    undisturbed = [outcome_of(train_run(run)) for run in runs_of(grid_in(tmp_path / "undisturbed"))]

    def check(trial):
        phase, number, recipient = trial
        folder = tmp_path / f"{phase} {number} {recipient}"
        folder.mkdir()
        arguments = grid_in(folder / "runs")
        trap = Trap((GRID | WORKER)[phase], number, recipient, str(folder / "mark"))
        status, errors = run_into(trap, "grid", *arguments, "--workers", "1")
        assert (folder / "mark").exists(), "the command did not reach the phase"
        logs = [log.read_text() for log in folder.rglob("*.log")]
        Stop(phase, number, status, "\n".join([errors, *logs])).check("grid")
        assert not list(folder.rglob("crash.json"))
        assert outcomes(arguments) == undisturbed

    return check


def name_of(trial):
    """Return the name of a trial."""
    phase, number, *recipient = trial
    return " ".join([signal_name(number), *(f"to {name}" for name in recipient), f"at {phase}"])


def some_or_all(trials, count):
    """Return parameters of a test: a few trials, and all of them, by signal and recipient."""
    groups = {}
    for phase, *rest in trials:
        groups.setdefault(tuple(rest), []).append((phase, *rest))
    names = {key: " to ".join([signal_name(key[0]), *key[1:]]) for key in groups}
    return [
        pytest.param(random.Random(0).sample(trials, count), id="some"),
        *(pytest.param(g, id=names[key], marks=pytest.mark.stress) for key, g in groups.items()),
    ]


@pytest.mark.parametrize("trials", some_or_all([*product(TRAIN, SIGNALS)], 3))
def test_train_stops_at_every_phase(trials, check_train, capsys):
    check_all({name_of(trial): trial for trial in trials}, check_train, capsys.disabled)


GRID_TRIALS = [*product(GRID, SIGNALS, ["self"]), *product(WORKER, SIGNALS, ["parent", "group"])]


@pytest.mark.parametrize("trials", some_or_all(GRID_TRIALS, 2))
def test_a_grid_stops_at_every_phase(trials, check_grid, capsys):
    check_all({name_of(trial): trial for trial in trials}, check_grid, capsys.disabled)
