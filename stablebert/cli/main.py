"""The command line: `stablebert COMMAND KEY=VALUE...`. It answers without loading torch."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from stablebert.cli.commands import COMMANDS
from stablebert.cli.help import describe_keys, describe_program, program_version
from stablebert.errors import ActionableError, ConfigError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Command and arguments; None for those of the process.

    Returns:
        Exit status: 0 for success, 1 if runs or files failed, 2 if the arguments are invalid, 130
        after Ctrl-C, 143 after SIGTERM.
    """
    try:
        status = _dispatch(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # `stablebert --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141  # the shell's status for SIGPIPE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return status


def _dispatch(argv: Sequence[str]) -> int:
    name, *arguments = argv or [""]
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
            print(f"stablebert {name}: {problem}", file=sys.stderr)
        return 2
    except ActionableError as error:
        print(f"stablebert {name}: {error}", file=sys.stderr)
        return 1


def _describe_unknown_command(name: str) -> str:
    near = get_close_matches(name, COMMANDS, n=1)
    text = f"{name} is not a command; the commands are {', '.join(COMMANDS)}"
    return text + (f"; did you mean {near[0]}?" if near else "")
