"""`stablebert report all` and `stablebert report list`: every figure and table of the paper."""

import os
import signal
from argparse import Namespace
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from stablebert.cli.arguments import committed_folders
from stablebert.cli.streams import print_errors
from stablebert.config.own_tasks import command_line, use_tasks
from stablebert.config.schema import RunConfig
from stablebert.config.sweep import Sweep, read_sweep
from stablebert.grid.clock import Clock
from stablebert.grid.executor import CPU_WORKERS
from stablebert.machine import device_names, usable_cores
from stablebert.report.analyses.base import Request
from stablebert.report.cells import MODEL
from stablebert.report.claims.summary import summary_sentences
from stablebert.report.columns import wrap, wrap_lines
from stablebert.report.contents import ModelRecords, group_by_model
from stablebert.report.everything import Collection, read_all_records, read_collections
from stablebert.report.figures.save import Format, delete_stale_figures, save_figures
from stablebert.report.files import save_text
from stablebert.report.items import (
    COMPANIONS,
    ITEMS,
    Item,
    join_labels,
    overrides_at,
    replace_overrides,
)
from stablebert.report.layout import fit_table
from stablebert.report.macros import macros_tex
from stablebert.report.page.environment import check_packages
from stablebert.report.page.write import write_page
from stablebert.report.records import ReportError
from stablebert.report.render import Entry, Table
from stablebert.report.sweep_report import save_report
from stablebert.report.table3 import write_table3
from stablebert.runs.identities import ContentError
from stablebert.runs.run import Run
from stablebert.signals import end_with_parent
from stablebert.tasks import TASKS, Task
from stablebert.text import count_of, escape_controls


def report_all(options: Namespace, request: Request, *, width: int) -> int:
    """Write every report, figure, and page that records allow; print what exists and is missing.

    Raises:
        ReportError: If there are no records; or, after the reports, if the extra `report` is not
            installed.
    """
    collections = read_collections(options.overrides, committed_folders(options), request=request)
    if not collections:
        raise ReportError("no records; train a run with `stablebert train`")
    for collection in collections:
        folder = options.out / collection.name
        for report in collection.reports.values():
            save_report(report, folder)
        write_table3(collection.records, (), folder)
        save_text(folder / "all-macros.tex", macros_tex(collection.reports))
        print(_describe_collection(collection, folder, width=width))
    check_packages()
    flags = ["--fresh"] if options.fresh else []
    flags += ["--margin", str(options.margin)] if options.margin else []
    command = command_line("report", "all", *options.overrides, *flags)
    with _figure_workers() as pool:
        formats = options.figures or DEFAULT_FORMATS
        jobs = [job for x in collections for job in _draw(x, options.out / x.name, formats, pool)]
        for collection in collections:  # while the workers write the files of figures
            path = options.out / collection.name / PAGE
            write_page(collection, path, commands=[command])
            print(f"Page: {escape_controls(str(path))}")
        files = [file for job in jobs for file in job.result()]
    more = "" if options.figures else "; --figures all writes PDF and PNG too"
    print(f"{count_of(len(jobs), 'figure')} in {count_of(len(files), 'file')}{more}")
    return 0


DEFAULT_FORMATS: tuple[Format, ...] = ("svg",)
PAGE = "report.html"


def _draw(
    collection: Collection, folder: Path, formats: Sequence[Format], pool: ProcessPoolExecutor
) -> list[Future[list[Path]]]:
    """Draw the figures of all reports, and let a pool of processes write their files."""
    jobs = []
    for name, drawings in collection.drawings.items():
        delete_stale_figures(drawings, name, folder)
        figures = drawings.all_figures
        jobs += [pool.submit(save_figures, [figure], name, folder, formats) for figure in figures]
    return jobs


def _figure_workers() -> ProcessPoolExecutor:
    """Return a pool of processes that write the files of figures."""
    return ProcessPoolExecutor(
        min(usable_cores(), CPU_WORKERS),
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(os.getpid(), TASKS.own),
    )


def _start_worker(parent: int, own_tasks: Sequence[Task]) -> None:
    """Leave Ctrl-C to the parent, end with it, and know its tasks."""
    use_tasks(own_tasks)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)


def _describe_collection(collection: Collection, folder: Path, *, width: int) -> str:
    """Return the reports of a collection, and what is missing."""
    title = f"{collection.scale}, model {collection.model}: "
    lines = [wrap(title + count_of(len(collection.records), "run"), width), ""]
    lines += [fit_table(_reports_table(collection), width), ""] if collection.reports else []
    summary = summary_sentences(collection.reports, collection.verdicts)
    lines += [*(wrap(sentence, width) for sentence in summary), ""] if summary else []
    items: dict[tuple[str, str], list[Item]] = {}
    for absent in collection.absent:
        items.setdefault((absent.reason, absent.command), []).append(absent.item)
    if items:
        lines.append("No report yet on")
        for (reason, command), own in items.items():
            text = f"  {join_labels(own)}: {reason}"
            lines += [*wrap_lines(text, width, indent=" " * 6), f"    {escape_controls(command)}"]
    if unreported := collection.unreported:
        text = f"{count_of(unreported, 'run')} of other configurations or seeds are in none"
        lines += ["", wrap(f"{text} of these reports; the page lists all runs", width)]
    problems = collection.problems[:_MOST_PROBLEMS]
    lines += ["", *(wrap(problem, width) for problem in problems)] if problems else []
    if (more := len(collection.problems) - _MOST_PROBLEMS) > 0:
        lines.append(f"and {count_of(more, 'more problem')}, which the page lists")
    return "\n".join([*lines, "", f"Reports: {escape_controls(str(folder))}", ""])


def _reports_table(collection: Collection) -> Table:
    body = []
    for name, report in collection.reports.items():
        results = report.basis.results
        total = sum(len(result.cell.seeds) for result in results)
        labels = join_labels(item for item in ITEMS.values() if item.sweep == name)
        runs = f"{sum(result.n for result in results)}/{total}"
        body.append([name, labels or "-", str(len(results)), runs])
    rows = [[Entry(text=text) for text in line] for line in body]
    return Table(title="", head=["sweep", "shows", "cells", "runs"], rows=rows, labels=2)


_MOST_PROBLEMS = 3


# ---------------------------------------------------------------- list


@dataclass(frozen=True, kw_only=True)
class _Progress:
    """The runs of an item at one scale."""

    item: Item
    command: str
    total: int
    done: int
    time: str
    """Estimated time of the missing runs, `unknown` without finished ones at this scale."""


def report_list(options: Namespace, *, width: int) -> int:
    """Print every figure and table with its runs: wanted, done, missing, and their time.

    Nothing is located: records identify the runs, with or without data, hub, and model.
    """
    records, _, problems = read_all_records(options.overrides, committed_folders(options))
    scale, *others = Sweep("list", {}).narrow(options.overrides).parameters.get("scale", ["paper"])
    if others:
        raise ReportError(f"scale={','.join([scale, *others])}: `report list` takes one scale")
    groups = group_by_model(records)
    group = next((x for x in groups if x.scale == scale), ModelRecords(scale, "", []))
    clock = Clock(records, device_names())
    entries = [_progress_of(item, group, options.overrides, clock) for item in ITEMS.values()]
    print(fit_table(_progress_table(entries), width))
    print()
    print(_commands(entries))
    print("\n".join(wrap(line, width) for line in _remarks(group, groups, clock)))
    print_errors(f"skipped: {problem}" for problem in problems)
    return 0


def _progress_of(
    item: Item, group: ModelRecords, overrides: Sequence[str], clock: Clock
) -> _Progress:
    if not item.sweep:
        return _Progress(
            item=item, command=command_line("report", "all"), total=0, done=0, time="-"
        )
    sweep = read_sweep(item.sweep)
    own = overrides_at(group.scale, item.sweep, item.overrides)
    own += () if MODEL in sweep.parameters else group.overrides
    own = replace_overrides(own, overrides)
    sweep = sweep.narrow(own)
    finished = {record.key for record in group.records}
    runs = [_identify(cfg, group) for _, cfg in sweep.valid_points]
    missing = [run for run in runs if run.key not in finished]
    return _Progress(
        item=item,
        command=command_line("grid", item.sweep, *own),
        total=len(runs),
        done=len(runs) - len(missing),
        time=clock.remaining(missing, min(usable_cores(), CPU_WORKERS)) if missing else "-",
    )


def _identify(cfg: RunConfig, group: ModelRecords) -> Run:
    """Identify a run; one whose data no record names has no record, and an empty `config_id`."""
    try:
        return group.run(cfg)
    except ContentError:
        return Run(cfg, "", Path())


def _progress_table(entries: Sequence[_Progress]) -> Table:
    body = [
        [
            *(x.item.label, x.item.title),
            *((str(n) if x.total else "-") for n in (x.total, x.done, x.total - x.done)),
            x.time.removesuffix(" until a run has finished"),
        ]
        for x in entries
    ]
    rows = [[Entry(text=text) for text in line] for line in body]
    head = ["item", "title", "runs", "done", "missing", "time"]
    return Table(title="", head=head, rows=rows, labels=2)


def _commands(entries: Sequence[_Progress]) -> str:
    """Return each command once, below the items that it is for."""
    items: dict[str, list[Item]] = {}
    for entry in entries:
        items.setdefault(entry.command, []).append(entry.item)
    lines = []
    for command, own in items.items():
        labels = join_labels(own)
        others = " and ".join(COMPANIONS.get(own[0].sweep, ()))
        lines += [f"{labels}, with runs of {others}" if others else labels, f"    {command}"]
    return "\n".join([*lines, ""])


def _remarks(group: ModelRecords, groups: Sequence[ModelRecords], clock: Clock) -> Iterator[str]:
    if group.records:
        runs = count_of(len(group.records), "record")
        yield f"Done: among the {runs} of scale {group.scale} with model {group.model}."
    else:
        yield f"There are no records of scale {group.scale}, so no run is done."
    workers = count_of(min(usable_cores(), CPU_WORKERS), "worker")
    source = clock.describe_source([group.scale])
    yield f"Time: from finished runs of the same scale{source}; on {workers} of this machine."
    others = [f"{x.scale} ({x.model}): {len(x.records)}" for x in groups if x is not group]
    if others:
        yield f"Other records, for scale=SCALE: {', '.join(others)}."
