"""The command `show`: one run, or two side by side."""

import os
import shutil
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path

from stablebert.cli.arguments import RESULTS, command_parser, positive_int
from stablebert.report.show.find import find_run, split_arguments
from stablebert.report.show.terminal import render_view
from stablebert.report.show.views import ROWS, view_run, view_two_runs


def show(argv: Sequence[str]) -> int:
    """Print the scores, curves and predictions of a run, or what distinguishes two runs."""
    options = _options(argv)
    runs = [find_run(arguments, [RESULTS]) for arguments in split_arguments(options.runs)]
    if len(runs) == 1:
        view = view_run(*runs, rows=options.rows, source=options.data)
    else:
        view = view_two_runs(*runs, rows=options.rows, source=options.data)
    if options.html:
        from stablebert.report.show.page import write_view  # what it imports takes a second

        write_view(view, options.html)
        print(options.html)
        return 0
    text = render_view(
        view,
        width=shutil.get_terminal_size().columns,
        color=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
        ascii_only=not _prints_plots(),
    )
    print(text, end="")
    return 0


def _options(argv: Sequence[str]) -> Namespace:
    parser = command_parser("show")
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="the folder of a run or the end of its path, as in 6d71a7608a/seed3; or the KEY=VALUE "
        "arguments of its configuration; RUN vs RUN compares two, and so do two folders",
    )
    parser.add_argument(
        "--rows",
        type=positive_int,
        default=ROWS,
        metavar="N",
        help=f"number of rows of the data to show (default: {ROWS})",
    )
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="data.source for the texts of these rows (default: that of the run); it is never "
        "downloaded",
    )
    parser.add_argument(
        "--html",
        nargs="?",
        type=_page_file,
        const=Path("show.html"),
        metavar="FILE",
        help="write a page instead of printing (default: show.html)",
    )
    return parser.parse_intermixed_args(argv)


def _page_file(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".html" or path.is_dir():
        raise ArgumentTypeError(
            f"{text!r}: expected a file that ends in .html; --html without a file must be the last "
            "argument"
        )
    return path


def _prints_plots() -> bool:
    """Return whether the terminal's encoding has the characters of plots."""
    try:
        "⣿▀┤".encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
