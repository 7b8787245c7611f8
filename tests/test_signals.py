"""Requests to stop, and processes that end with their parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stablebert import signals
from stablebert.signals import (
    STOP_SIGNALS,
    Stop,
    run_script,
    signal_name,
    stop_on_signals,
    stop_signal,
)
from tests.helpers.processes import has_ended, wait_for_end

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")
SCHEDULER_SIGNALS = [number for number in STOP_SIGNALS if number != signal.SIGINT]


def test_users_terminals_and_schedulers_can_stop_a_process():
    names = {"SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"}
    assert set(map(signal_name, STOP_SIGNALS)) == names


@pytest.mark.parametrize("number", SCHEDULER_SIGNALS, ids=signal_name)
def test_a_signal_of_a_scheduler_stops_with_the_status_of_the_shell(number):
    with pytest.raises(Stop) as stop, stop_on_signals():
        signal.raise_signal(number)
    assert stop.value.code == 128 + number


def test_ctrl_c_stays_a_keyboard_interrupt():
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        signal.raise_signal(signal.SIGINT)


def test_the_first_signal_is_the_reason():
    with stop_on_signals():
        for number in (signal.SIGHUP, signal.SIGINT):
            with pytest.raises((Stop, KeyboardInterrupt)):
                signal.raise_signal(number)
        assert stop_signal() == signal.SIGHUP


def test_no_signal_is_no_reason():
    with pytest.raises(Stop), stop_on_signals():
        signal.raise_signal(signal.SIGTERM)
    assert stop_signal() is None


def test_a_second_signal_at_once_does_not_interrupt_the_end():
    with stop_on_signals():
        with pytest.raises(Stop):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)


def test_a_later_signal_stops_a_process_that_missed_the_first(monkeypatch):
    monkeypatch.setattr(signals, "REPEAT_SECONDS", 0)
    with stop_on_signals():
        for _ in range(2):
            with pytest.raises(Stop):
                signal.raise_signal(signal.SIGTERM)


def test_ctrl_c_interrupts_the_end():
    with stop_on_signals():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)


def test_a_signal_that_nohup_ignores_stays_ignored():
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_handlers_are_restored():
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with stop_on_signals():
        pass
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


@pytest.mark.parametrize("number", sorted(signal.valid_signals()))
def test_every_signal_has_a_name(number):
    assert signal_name(number).startswith("SIG")


@ON_LINUX
def test_a_real_time_signal_is_named_as_kill_lists_it():
    assert signal_name(signal.SIGRTMIN + 3) == "SIGRTMIN+3"


# ---------------------------------------------------------------- ends with its parent

TIED = """
import os, sys, time
from stablebert.signals import end_with_parent
end_with_parent(*map(int, sys.argv[1:]))
print(os.getpid(), flush=True)
time.sleep(100_000)
"""
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.stdin.read()])
"""


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_a_tied_process_ends_when_its_parent_is_killed():
    command = [sys.executable, "-c", PARENT]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as parent:
        parent.stdin.write(TIED)
        parent.stdin.close()
        pid = int(parent.stdout.readline())
        assert not has_ended(pid)
        parent.kill()
        wait_for_end([pid])


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_a_process_whose_parent_has_ended_before_it_is_tied_ends():
    other = os.getppid()  # not the parent of the child below
    child = subprocess.run([sys.executable, "-c", TIED, str(other)], capture_output=True)
    assert child.returncode == -signal.SIGTERM


# ---------------------------------------------------------------- Ctrl-C at any moment of the start

INTERRUPT = """
import os, signal, sys

class Interrupter:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == os.environ["INTERRUPTED_IMPORT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["stablebert.cli.main", "stablebert.cli.runs", "yaml", "numpy", "torch", "lightning"]
)
def test_ctrl_c_during_an_import_is_not_a_traceback(tmp_path, module):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT)
    path = f"{tmp_path}{os.pathsep}{Path(__file__).parents[1]}"
    child = subprocess.run(
        [sys.executable, "-m", "stablebert", "train", "scale=demo", f"paths.runs={tmp_path}/runs"],
        env=os.environ | {"PYTHONPATH": path, "INTERRUPTED_IMPORT": module},
        capture_output=True,
        text=True,
    )
    assert child.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in child.stderr


# ---------------------------------------------------------------- scripts


@pytest.mark.parametrize("number", STOP_SIGNALS, ids=signal_name)
def test_a_signal_ends_a_script_with_one_line_and_the_status_of_the_shell(number, capsys):
    assert run_script(lambda: signal.raise_signal(number), name="script") == 128 + number
    assert capsys.readouterr().err == f"script: stopped by {signal_name(number)}\n"


def test_a_signal_that_a_library_wraps_ends_a_script_too():
    def main():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("a process has died") from None

    assert run_script(main, name="script") == 130


def test_a_bug_in_a_script_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_script(lambda: 1 // 0, name="script")


def test_a_script_that_ends_is_a_success():
    assert run_script(lambda: None, name="script") == 0
