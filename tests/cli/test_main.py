import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stablebert.cli.commands import COMMANDS, Command
from stablebert.cli.main import main
from stablebert.signals import STOP_SIGNALS, signal_name

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("option", ["--help", "-h", "help"])
def test_help_succeeds(option, capsys):
    assert main([option]) == 0
    assert capsys.readouterr().out.startswith("usage: stablebert COMMAND")


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_printed(option, capsys):
    assert main([option]) == 0
    assert capsys.readouterr().out.startswith("stablebert ")


def test_no_command_shows_the_help_and_fails(capsys):
    assert main([]) == 2
    assert "usage: stablebert" in capsys.readouterr().err


def test_an_unknown_command_is_answered_with_the_closest(capsys):
    assert main(["trian", "task=rte"]) == 2
    assert capsys.readouterr().err == (
        f"trian is not a command; the commands are {', '.join(COMMANDS)}; did you mean train?\n"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_documented_function(name):
    assert COMMANDS[name].load().__doc__


@pytest.fixture
def refusal(capsys, monkeypatch):
    """Exit status and lines of stderr of a command line with three problems."""
    monkeypatch.setattr("stablebert.cli.runs.locate", pytest.fail)  # nothing may be loaded
    status = main(["train", "tsk=rte", "seed=x", "trainer.devices=2"])
    return status, capsys.readouterr().err.splitlines()


def test_invalid_arguments_exit_with_2(refusal):
    assert refusal[0] == 2


def test_every_problem_is_a_line_that_names_command_and_argument(refusal):
    assert [line.split(": ")[:2] for line in refusal[1]] == [
        ["stablebert train", argument] for argument in ("tsk=rte", "seed=x", "trainer.devices=2")
    ]


# ---------------------------------------------------------------- stopped


def stop_command(monkeypatch, command, number, error=None):
    """Run a command that receives a signal, and may raise an error of its own because of it."""

    def signaled(argv):
        try:
            signal.raise_signal(number)
        except BaseException as stop:
            raise error or stop from None

    monkeypatch.setattr(Command, "load", lambda self: signaled)
    monkeypatch.setattr(sys, "argv", ["stablebert", command])
    monkeypatch.delenv("STABLEBERT_END_WITH_PARENT")
    return main()


@pytest.mark.parametrize("number", STOP_SIGNALS, ids=signal_name)
@pytest.mark.parametrize("command", ["train", "grid", "agent", "doctor"])
def test_a_stopped_command_has_the_status_of_the_shell(monkeypatch, command, number):
    assert stop_command(monkeypatch, command, number) == 128 + number


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("train", ": rerun the command to start over, or to resume from its checkpoint"),
        ("grid", ": finished runs are kept; rerun the command to resume"),
        ("doctor", ""),
    ],
)
def test_a_stopped_command_says_so(monkeypatch, capsys, command, advice):
    stop_command(monkeypatch, command, signal.SIGUSR1)
    assert capsys.readouterr().err == f"stablebert {command}: stopped by SIGUSR1{advice}\n"


@pytest.mark.parametrize(("variable", "calls"), [("1", 1), (None, 0)])
def test_a_variable_ties_commands_to_their_parent(monkeypatch, variable, calls):
    ties = []
    monkeypatch.setattr("stablebert.cli.main.end_with_parent", lambda: ties.append("tied"))
    monkeypatch.setattr(sys, "argv", ["stablebert", "--version"])
    monkeypatch.delenv("STABLEBERT_END_WITH_PARENT")
    if variable:
        monkeypatch.setenv("STABLEBERT_END_WITH_PARENT", variable)
    assert (main(), len(ties)) == (0, calls)


def test_the_host_of_main_keeps_its_signals(monkeypatch):
    handlers = []
    monkeypatch.setattr(
        Command, "load", lambda self: lambda argv: handlers.append(signal.getsignal(signal.SIGTERM))
    )
    main(["doctor"])
    assert handlers == [signal.getsignal(signal.SIGTERM)]


def test_a_library_s_error_because_of_a_signal_is_named(monkeypatch, capsys):
    stop_command(monkeypatch, "doctor", signal.SIGHUP, ImportError("half a module"))
    message = "stablebert doctor: stopped by SIGHUP (ImportError: half a module)\n"
    assert capsys.readouterr().err == message


def test_lightning_s_exit_after_ctrl_c_is_an_interrupt(monkeypatch):
    assert stop_command(monkeypatch, "train", signal.SIGINT, SystemExit(1)) == 130


@pytest.mark.slow
def test_python_m_stablebert_is_the_command_line():
    command = [sys.executable, "-m", "stablebert", "train", "lr=3"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == (
        "stablebert train: lr=3: unknown key lr; did you mean optimizer.lr?\n"
    )


HEAVY = {"torch", "transformers", "lightning", "datasets", "wandb"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        *((line, HEAVY | {"numpy"}) for line in ("--help", "train --help", "train lr=3")),
        ("config task=mrpc", HEAVY | {"numpy"}),
        # a sweep is compared with records, which takes numpy
        *((line, HEAVY) for line in ("grid --help", "report --help")),
    ],
)
def test_a_command_that_does_not_train_loads_no_heavy_package(arguments, heavy):
    code = f"""
import sys
from stablebert.cli.main import main
try:
    main({arguments.split()!r})
except SystemExit:
    pass
sys.exit(len({heavy!r} & set(sys.modules)))
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert process.returncode == 0
