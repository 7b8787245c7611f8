"""Standard streams that are closed, full or unable to show a character, and system errors."""

import errno
import io
import os
import subprocess
import sys

import pytest

from stablebert.cli import main as module
from stablebert.cli.commands import Command
from stablebert.cli.main import main


@pytest.fixture
def command(monkeypatch):
    """Function that makes a function the only command, `work`."""

    def replace(function):
        monkeypatch.setattr(Command, "load", lambda _: function)
        monkeypatch.setattr(module, "COMMANDS", {"work": Command("work", "", "")})

    return replace


@pytest.mark.parametrize("encoding", ["ascii", "cp1251"])
def test_a_character_that_the_terminal_lacks_is_replaced(command, monkeypatch, encoding):
    command(lambda _: print("± Δ é") or 0)
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["work"]) == 0
    assert stdout.buffer.getvalue().decode(encoding).count("?") == (3 if encoding == "ascii" else 2)


def fail_with(error):
    def work(_):
        raise error

    return work


def test_a_system_error_is_one_line_with_file_and_reason(command, capsys):
    command(fail_with(OSError(errno.ENOSPC, "No space left on device", "runs/x")))
    assert main(["work"]) == 1
    assert capsys.readouterr().err == "stablebert work: runs/x: No space left on device\n"


def test_a_system_error_that_a_library_wraps_is_one_line_with_its_reason(command, capsys):
    error = RuntimeError("cannot write the file\n<C++ stack>")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device", "runs/x")
    command(fail_with(error))
    assert main(["work"]) == 1
    message = "RuntimeError: cannot write the file: No space left on device"
    assert capsys.readouterr().err == f"stablebert work: {message}\n"


def test_the_traceback_of_a_system_error_is_printed_on_request(command, capsys, monkeypatch):
    monkeypatch.setenv("STABLEBERT_DEBUG", "1")
    command(fail_with(OSError(errno.ENOSPC, "No space left on device", "runs/x")))
    assert main(["work"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [OSError("raised by a library"), ValueError("a bug"), UnicodeError("a bug")]
)
def test_any_other_error_is_a_bug_and_keeps_its_traceback(command, error):
    command(fail_with(error))
    with pytest.raises(type(error)):
        main(["work"])


def test_credentials_in_a_system_error_are_masked(command, capsys):
    command(fail_with(OSError(errno.ECONNREFUSED, "no answer from https://me:token@host")))
    main(["work"])
    assert "token" not in capsys.readouterr().err


def run_in_shell(redirection, **env):
    """Exit status and standard error of `stablebert config` with redirected streams."""
    command = f"'{sys.executable}' -m stablebert config task=rte {redirection}"
    env = os.environ | {"PYTHONUNBUFFERED": "", "PYTHONPATH": os.pathsep.join(sys.path)} | env
    process = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=env, capture_output=True, text=True
    )
    return process.returncode, process.stderr


@pytest.mark.slow
@pytest.mark.parametrize("redirection", [">&-", "<&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_no_failure(redirection):
    assert run_in_shell(redirection) == (0, "")


@pytest.mark.slow
def test_a_full_standard_output_is_one_line():
    message = "stablebert config: standard output: No space left on device\n"
    assert run_in_shell("> /dev/full") == (1, message)


@pytest.mark.slow
def test_a_closed_pipe_ends_the_command_silently():
    assert run_in_shell("| true") == (141, "")


def test_what_is_typed_does_not_control_the_terminal(capsys):
    assert main(["config", "task=\x1b[2J", "\x1b[31m"]) == 2
    assert main(["\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err
