"""Arguments that several commands share."""

import argparse
import re
from pathlib import Path

from stablebert.cli.commands import COMMANDS
from stablebert.cli.own_tasks import TASKS_OPTION
from stablebert.config.own_tasks import command_line
from stablebert.config.sweep import shipped_sweeps
from stablebert.yaml_files import CONF

RESULTS = CONF.parent / "results"
"""Committed records, in a checkout."""


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return a parser of a command, without arguments yet."""
    return argparse.ArgumentParser(
        prog=f"stablebert {name}", description=COMMANDS[name].summary, epilog=TASKS_OPTION
    )


def sweep_parser(
    name: str, *, reads_records: bool = True, others: str = ""
) -> argparse.ArgumentParser:
    """Return a parser of a command on a sweep, with its arguments `sweep` and `overrides`.

    Args:
        name: Name of the command.
        reads_records: Whether it reads the committed records.
        others: What it accepts in place of a sweep, for the help.
    """
    parser = command_parser(name)
    sweeps = f"a file, or one of {', '.join(shipped_sweeps())}"
    parser.add_argument("sweep", help=f"{sweeps}; {others}" if others else sweeps)
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],  # otherwise argparse calls it required
        metavar="KEY=VALUES",
        help="narrow or change the grid: task=rte,cola seed=0..4 scale=mini",
    )
    if reads_records:
        parser.add_argument(
            "--fresh", action="store_true", help="ignore the committed records in results/"
        )
    return parser


def committed_folders(options: argparse.Namespace) -> list[Path]:
    """Return the folders of records in addition to the sweep's own; none with --fresh."""
    return [] if options.fresh else [RESULTS]


def grid_arguments(options: argparse.Namespace) -> list[str]:
    """Return the arguments of `stablebert grid` that select the runs of a sweep."""
    flags = ["--fresh"] if options.fresh else []
    return [options.sweep, *options.overrides, *flags]


def grid_command(options: argparse.Namespace) -> str:
    """Return the command that trains the missing runs of a sweep, to copy from a message."""
    return command_line("grid", *grid_arguments(options))


def positive_int(text: str) -> int:
    """Parse an integer of at least 1.

    Raises:
        argparse.ArgumentTypeError: If it is not.
    """
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected an integer of at least 1")
    return int(text)
