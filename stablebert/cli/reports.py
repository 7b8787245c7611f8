"""Commands on records: `report`, `select` and `collect`."""

import re
import shutil
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

from stablebert.cli import arguments
from stablebert.cli.arguments import (
    command_parser,
    committed_folders,
    grid_command,
    sweep_parser,
)
from stablebert.cli.figures import add_figures_option, write_figures
from stablebert.cli.streams import print_errors
from stablebert.config.compose import compose
from stablebert.config.own_tasks import command_line
from stablebert.config.sweep import read_sweep
from stablebert.filesystem import expand_path
from stablebert.report.analyses.base import Request
from stablebert.report.analyses.registry import ANALYSES, parse_names
from stablebert.report.collect import write_records
from stablebert.report.expected import check_folders, read_sweep_records
from stablebert.report.histories import COLLECTED_HISTORIES, load_histories
from stablebert.report.load import load_report
from stablebert.report.predictions import COLLECTED_PREDICTIONS, load_predictions
from stablebert.report.records import ReportError, read_records
from stablebert.report.selection import write_selection
from stablebert.report.sweep_report import render_report, save_report
from stablebert.report.table3 import write_table3
from stablebert.report.terminal import Advice, render_terminal
from stablebert.runs.record import RunRecord
from stablebert.text import count_of
from stablebert.yaml_files import CONF

MANY = ("all", "list")
"""Names in place of a sweep that stand for all of them."""


def report(argv: Sequence[str]) -> int:
    """Print a sweep's table and write it as Markdown, CSV and LaTeX."""
    options = _report_options(argv)
    width = shutil.get_terminal_size().columns
    if options.sweep in MANY:
        from stablebert.cli.collections import report_all, report_list  # pages load templates

        if options.sweep == "list":
            return report_list(options, width=width)
        return report_all(options, _request(options), width=width)
    folders = committed_folders(options)
    if options.sweep == "table3":  # statistics of the data: any runs will do, no sweep needed
        runs = expand_path("paths.runs", compose(options.overrides).paths.runs)
        check_folders([runs])
        records, problems = read_records(runs, *folders)
        table_width = None if options.full else width
        print(write_table3(records, problems, options.out, width=table_width))
        if not records:
            raise _nothing_found(options, [runs, *folders], "train a run with `stablebert train`")
        return 0
    sweep = read_sweep(options.sweep).narrow(options.overrides)
    request = replace(_request(options), roots=[*sweep.roots, *folders])
    loaded = load_report(sweep, folders, request=request)
    save_report(loaded, options.out)
    if options.full:
        print(render_report(loaded, options.out))
    else:
        command = command_line("report", *argv)
        advice = Advice(full=f"{command} --full", grid=grid_command(options))
        print(render_terminal(loaded, options.out, width=width, advice=advice))
    if options.figures:
        print(write_figures(loaded, options.out, options.figures))
    if not any(result.n for result in loaded.basis.results):
        places = [*sweep.roots, *folders]
        raise _nothing_found(options, places, f"train its runs with `{grid_command(options)}`")
    return 0


def _request(options: Namespace) -> Request:
    return Request(
        names=options.analysis, margin=options.margin or Request.margin, target=options.target
    )


def _report_options(argv: Sequence[str]) -> Namespace:
    others = (
        "or all: whatever has been run; list: every figure and table of the paper, with its runs; "
        "table3: the data"
    )
    parser = sweep_parser("report", others=others)
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder to write to")
    parser.add_argument(
        "--full", action="store_true", help="print everything in full, however wide"
    )
    summaries = "; ".join(f"{analysis.name}: {analysis.summary}" for analysis in ANALYSES.values())
    parser.add_argument(
        "--analysis",
        type=_analysis_names,
        default=(),
        metavar="NAME,...",
        help=f"print further analyses: {summaries}; or all",
    )
    parser.add_argument(
        "--margin",
        type=_positive_points,
        metavar="POINTS",
        help="difference in mean scores x 100 that does not matter, for equivalence (default: "
        f"{Request.margin})",
    )
    add_figures_option(parser)
    parser.add_argument(
        "--target",
        type=_score,
        metavar="POINTS",
        help="validation score x 100 to reach, for cost (default: the best mean of each task)",
    )
    options = parser.parse_intermixed_args(argv)
    values = {name: getattr(options, name) for name in ("analysis", "margin", "target")}
    names = [f"--{name}" for name, value in values.items() if value not in ((), None)]
    if options.sweep == "table3" and names:
        parser.error(f"table3 describes data and has no analyses; remove {', '.join(names)}")
    if options.sweep in ("table3", "list") and options.figures:
        parser.error(f"{options.sweep} has no figures; remove --figures")
    names = [name for name in names if (options.sweep, name) != ("all", "--margin")]
    if options.sweep in MANY and (names := [*names, *(["--full"] * options.full)]):
        parser.error(f"{options.sweep} is about many sweeps; remove {', '.join(names)}")
    return options


def _analysis_names(text: str) -> tuple[str, ...]:
    try:
        return parse_names(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _points(text: str) -> float:
    """Parse a decimal number; return NaN for another text."""
    return float(text) if re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", text, re.ASCII) else nan


def _positive_points(text: str) -> float:
    if not (points := _points(text)) > 0:
        raise ArgumentTypeError(f"{text!r}: expected a positive number of points, such as 1.0")
    return points


def _score(text: str) -> float:
    if not -100 <= (score := _points(text)) <= 100:
        raise ArgumentTypeError(f"{text!r}: expected a score x 100 from -100 to 100, such as 71.5")
    return score


def _nothing_found(options: Namespace, places: Sequence[Path], advice: str) -> ReportError:
    """Return the error of a report that was written without any record."""
    return ReportError(
        f"{options.sweep}: no record belongs to it in {', '.join(map(str, places))}; {advice}"
    )


def select(argv: Sequence[str]) -> int:
    """Write the settings of a search that validate best to conf/selected.yaml."""
    options = sweep_parser("select").parse_intermixed_args(argv)
    sweep = read_sweep(options.sweep).narrow(options.overrides)
    basis = read_sweep_records(sweep, *committed_folders(options))
    print_errors(basis.notes)
    path = CONF / "selected.yaml"
    lines = write_selection(
        basis.cells, basis.records, sweep=sweep.name, command=grid_command(options), path=path
    )
    for line in lines:
        print(line)
    print(path)
    return 0


def collect(argv: Sequence[str]) -> int:
    """Write records to one file, one line each; predictions and histories next to .jsonl."""
    parser = command_parser("collect")
    parser.add_argument("file", type=Path)
    parser.add_argument("folders", nargs="*", type=Path, default=[])
    parser.add_argument(
        "--from-wandb",
        metavar="ENTITY/PROJECT/SWEEP",
        help="take the finished runs of a W&B sweep that belong to its grid",
    )
    options = parser.parse_args(argv)
    folders = options.folders or [Path("runs"), arguments.RESULTS]
    if options.from_wandb:
        from stablebert.tracking.sweeps import read_wandb_sweep, select_expected_records

        sweep = read_wandb_sweep(options.from_wandb)
        records, refusals = select_expected_records(sweep)
        print_errors(f"refused: {reason}" for reason in refusals)
        print_errors(f"not finished: {line}" for line in sweep.failures())
    else:
        refusals = []
        if absent := [str(folder) for folder in options.folders if not folder.is_dir()]:
            raise ReportError(f"not a folder: {', '.join(absent)}; nothing is written")
        records, problems = read_records(*folders)
        print_errors(f"skipped: {problem}" for problem in problems)
    if not records:
        origin = options.from_wandb or ", ".join(map(str, folders))
        raise ReportError(f"{origin}: no records; {options.file} is not written")
    notes = []
    if options.file.suffix == ".jsonl":
        notes = _collect_companions(records, options.file, folders)
    write_records(records, options.file)
    print_errors(notes)
    print(f"{count_of(len(records), 'record')}: {options.file}")
    return 1 if refusals else 0


def _collect_companions(
    records: Sequence[RunRecord], file: Path, folders: Sequence[Path]
) -> list[str]:
    """Write the predictions and the histories of records to files next to `file`.

    Returns:
        Problems with them.
    """
    predictions, problems = load_predictions(records, *folders)
    if predictions:
        path = COLLECTED_PREDICTIONS.write(predictions, file)
        print(f"predictions of {count_of(len(predictions), 'run')}: {path}")
    histories, more_problems = load_histories(records, *folders)
    if histories:
        path = COLLECTED_HISTORIES.write(histories, file)
        print(f"histories of {count_of(len(histories), 'run')}: {path}")
    return [*problems, *more_problems]
