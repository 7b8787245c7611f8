"""The command line: `stablebert COMMAND KEY=VALUE...`. It answers without loading torch."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches

from stablebert.cli.commands import COMMANDS
from stablebert.cli.help import describe_keys, describe_program, program_version
from stablebert.cli.own_tasks import own_tasks
from stablebert.cli.streams import discard_broken_output, prepare_streams, print_errors
from stablebert.errors import ActionableError, ConfigError, describe_system_error, is_system_error
from stablebert.filesystem import naming_file
from stablebert.signals import (
    END_WITH_PARENT,
    end_with_parent,
    signal_name,
    stop_on_signals,
    stop_signal,
)
from stablebert.text import escape_controls


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Command and arguments. None for those of the process, whose signals are then handled.

    An error of the system, such as a full disk, becomes one line that names the file; with
    STABLEBERT_DEBUG in the environment its traceback precedes the line. Any other exception is a
    bug and keeps its traceback.

    Returns:
        Exit status: 0 for success, 1 if runs or files failed or are missing, 2 if the arguments are
        invalid, and 128 + its number after a signal that asks to stop: 130 after Ctrl-C, 143 after
        SIGTERM.
    """
    if argv is None:
        with stop_on_signals():
            if END_WITH_PARENT in os.environ:
                end_with_parent()
            return main(sys.argv[1:])
    name, *arguments = argv or [""]
    prepare_streams()
    try:
        status = _dispatch(name, arguments)
        with naming_file("standard output"):
            sys.stdout.flush()
    except BrokenPipeError:  # `stablebert --help | head`
        discard_broken_output()
        return 141  # the shell's status for SIGPIPE
    except BaseException as error:  # libraries may wrap what a signal raises
        number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else stop_signal()
        if number:
            print_errors([_describe_stop(name, number, error)])
            return 128 + number
        if not is_system_error(error):
            raise
        discard_broken_output()
        if os.environ.get("STABLEBERT_DEBUG"):
            traceback.print_exc()
        print_errors([f"stablebert {name}: {describe_system_error(error)}"])
        return 1
    return status


def _dispatch(name: str, arguments: Sequence[str]) -> int:
    if name in ("-h", "--help", "help"):
        print(describe_program())
        return 0
    if name in ("-V", "--version"):
        print(f"stablebert {program_version()}")
        return 0
    if name not in COMMANDS:
        print(_describe_unknown_command(name) if name else describe_program(), file=sys.stderr)
        return 2
    command = COMMANDS[name]
    try:
        with own_tasks(arguments) as others:
            if command.takes_only_keys and {"-h", "--help"}.intersection(others):
                overrides = [argument for argument in others if argument not in ("-h", "--help")]
                print(describe_keys(command, overrides))
                return 0
            return command.load()(others)
    except ConfigError as error:
        for problem in error.problems:
            print(f"stablebert {name}: {escape_controls(problem)}", file=sys.stderr)
        return 2
    except ActionableError as error:
        print_errors([f"stablebert {name}: {error}"])
        return 1


def _describe_unknown_command(name: str) -> str:
    near = get_close_matches(name, COMMANDS, n=1)
    text = f"{escape_controls(name)} is not a command; the commands are {', '.join(COMMANDS)}"
    return text + (f"; did you mean {near[0]}?" if near else "")


def _describe_stop(name: str, number: int, error: BaseException) -> str:
    text = f"stablebert {name}: stopped by {signal_name(number)}"
    if isinstance(error, Exception):
        text += f" ({type(error).__name__}: {error})"
    advice = COMMANDS[name].advice_after_stop if name in COMMANDS else ""
    return f"{text}: {advice}" if advice else text
