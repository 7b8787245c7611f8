"""The command line: `stablebert COMMAND KEY=VALUE...`. It answers without loading torch."""

import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches

from stablebert.cli.commands import COMMANDS
from stablebert.cli.help import describe_keys, describe_program, program_version
from stablebert.cli.streams import discard_broken_output, prepare_streams
from stablebert.errors import ActionableError, ConfigError, describe_os_error
from stablebert.filesystem import naming_file
from stablebert.text import escape_controls


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Command and arguments; None for those of the process.

    An error of the system, such as a full disk, becomes one line that names the file; with
    STABLEBERT_DEBUG in the environment its traceback precedes the line. Any other exception is a
    bug and keeps its traceback.

    Returns:
        Exit status: 0 for success, 1 if runs or files failed, 2 if the arguments are invalid, 130
        after Ctrl-C, 143 after SIGTERM.
    """
    argv = (sys.argv[1:] if argv is None else argv) or [""]
    prepare_streams()
    try:
        status = _dispatch(argv)
        with naming_file("standard output"):
            sys.stdout.flush()
    except BrokenPipeError:  # `stablebert --help | head`
        discard_broken_output()
        return 141  # the shell's status for SIGPIPE
    except OSError as error:
        if error.errno is None:  # raised by a library for reasons of its own
            raise
        discard_broken_output()
        if os.environ.get("STABLEBERT_DEBUG"):
            traceback.print_exc()
        print(f"stablebert {argv[0]}: {describe_os_error(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return status


def _dispatch(argv: Sequence[str]) -> int:
    name, *arguments = argv
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
    if command.takes_only_keys and {"-h", "--help"}.intersection(arguments):
        overrides = [argument for argument in arguments if argument not in ("-h", "--help")]
        print(describe_keys(command, overrides))
        return 0
    try:
        return command.load()(arguments)
    except ConfigError as error:
        for problem in error.problems:
            print(f"stablebert {name}: {escape_controls(problem)}", file=sys.stderr)
        return 2
    except ActionableError as error:
        text = escape_controls(str(error), keep="\n")
        print(f"stablebert {name}: {text}", file=sys.stderr)
        return 1


def _describe_unknown_command(name: str) -> str:
    near = get_close_matches(name, COMMANDS, n=1)
    text = f"{escape_controls(name)} is not a command; the commands are {', '.join(COMMANDS)}"
    return text + (f"; did you mean {near[0]}?" if near else "")
