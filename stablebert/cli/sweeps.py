"""Commands on a sweep: `grid` and `prefetch`."""

import argparse
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stablebert.cli import arguments
from stablebert.cli.arguments import (
    committed_folders,
    positive_int,
    sweep_parser,
)
from stablebert.cli.cluster import (
    add_cluster_options,
    parse_cluster_options,
    print_status,
    submit_workers,
)
from stablebert.cli.streams import print_errors
from stablebert.config.own_tasks import command_line, describe_splits
from stablebert.config.recognition import describe_recognitions
from stablebert.config.schema import RunConfig
from stablebert.config.sweep import Sweep, read_sweep
from stablebert.grid.clock import Clock
from stablebert.grid.executor import CPU_WORKERS, run_grid
from stablebert.grid.live_page import LivePage
from stablebert.grid.plan import Plan, clear_crashes, make_plan, select_shard
from stablebert.grid.pruning import Pruning, run_pruned_grid
from stablebert.machine import device_names, usable_cores, visible_gpus
from stablebert.ops.prefetch import fetch_required_items
from stablebert.report.records import read_records
from stablebert.runs.claims import clean_folder
from stablebert.runs.files import CRASH
from stablebert.runs.identities import Identities
from stablebert.runs.inputs import check_inputs
from stablebert.runs.locate import locate
from stablebert.runs.record import RunRecord
from stablebert.runs.run import Job, Run
from stablebert.runs.seeds import Seeds, format_seeds
from stablebert.text import count_of


def grid(argv: Sequence[str]) -> int:
    """Train the missing runs of a sweep in worker processes, or in jobs of a cluster."""
    options = _grid_parser().parse_intermixed_args(argv)
    slurm = parse_cluster_options(options)
    pruning = Pruning.parse(options.prune) if options.prune else None
    sweep = read_sweep(options.sweep).narrow(options.overrides)
    plan, records, timing_records = _plan(options, sweep)
    clock = Clock(timing_records, device_names())
    if options.status:
        return print_status(sweep, plan, clock)
    runs = plan.missing + (plan.crashed if options.retry_crashed else [])
    runs.sort(key=lambda run: run.seeds)
    gpus, workers = _devices(options, runs)
    print(f"{sweep.name}: {_describe_plan(plan, retry_crashed=options.retry_crashed)}")
    page = _live_page(options, sweep, argv)
    if not options.dry_run:
        for run in plan.done:  # no process opens them again
            clean_folder(run.folder)
    crashed_before = [] if options.retry_crashed else plan.crashed
    if plan.unidentified:  # a dry run
        print(_describe_unidentified(plan, clock, workers))
        return 0
    if not runs:
        print("nothing to run")
        page.finish()
        return 1 if crashed_before and not options.dry_run else 0
    place = count_of(workers, "worker" if options.on == "local" else "job")
    print(
        f"{len(runs)} to run on {place}, estimated time "
        f"{clock.remaining(runs, workers)}{clock.describe_source({run.cfg.scale for run in runs})}"
    )
    if options.dry_run:
        return 0
    located_runs = [locate(run.cfg) for run in runs]
    check_inputs(located_runs)
    if options.retry_crashed:
        clear_crashes(plan.crashed)
    if slurm:
        submit_workers(options, sweep, slurm, count=workers)
        return 1 if crashed_before else 0
    page.refresh()
    if pruning:
        execute = partial(run_pruned_grid, located_runs, pruning, records, done=plan.done)
    else:
        execute = partial(run_grid, list(map(Job, located_runs)))
    try:
        outcome = execute(
            workers=workers, gpus=gpus, timing_records=timing_records, after_job=page.refresh
        )
    finally:  # the page of a grid that was stopped would reload forever
        page.finish()
    print_errors(f"crashed: {job.run.folder / CRASH}" for job in outcome.crashed)
    return 1 if outcome.crashed or crashed_before else 0


def _plan(
    options: argparse.Namespace, sweep: Sweep
) -> tuple[Plan, list[RunRecord], list[RunRecord]]:
    """Return the plan, the records that count, and those that say how long a run takes."""
    configs = _select_shard(sweep.configs(), options.shard)
    records, problems = read_records(*sweep.roots, *committed_folders(options))
    print_errors(f"skipped: {problem}" for problem in problems)
    if options.missing_of:
        configs = _missing_of(options.missing_of, configs, records)
    identities = Identities(records)
    identify_all = not (options.dry_run or options.status)
    plan = make_plan(configs, records, identities, identify_all=identify_all)
    notes = [*describe_recognitions(configs), *describe_splits(configs)]
    print_errors([*notes, *identities.assumptions, *plan.reasons])
    # committed runs say how long a run takes, even with --fresh
    timing_records = [*records, *read_records(arguments.RESULTS)[0]] if options.fresh else records
    return plan, records, timing_records


def _select_shard(configs: list[RunConfig], text: str) -> list[RunConfig]:
    """Return a shard of the runs, the same on every machine: only committed records count."""
    if text == "1/1":
        return configs
    clock = Clock(read_records(arguments.RESULTS)[0])
    runs = [Run(cfg, config_id="", folder=Path()) for cfg in configs]
    return select_shard(configs, text, [clock.estimate(run) for run in runs])


def _devices(options: argparse.Namespace, runs: Sequence[Run]) -> tuple[list[str], int]:
    """Return the GPUs of this machine for the runs, and the number of workers, or of jobs."""
    if options.on == "slurm":
        return [], max(1, min(options.jobs or 1, len(runs)))
    uses_gpus = any(run.cfg.trainer.accelerator != "cpu" for run in runs)
    gpus = visible_gpus() * options.workers_per_gpu if uses_gpus else []
    return gpus, options.workers or len(gpus) or min(usable_cores(), CPU_WORKERS)


def _grid_parser() -> argparse.ArgumentParser:
    parser = sweep_parser("grid")
    parser.add_argument(
        "--workers",
        type=positive_int,
        help="worker processes (default: one per GPU; on a CPU, one per core, at most 4)",
    )
    parser.add_argument("--workers-per-gpu", type=positive_int, default=1, metavar="K")
    parser.add_argument("--shard", default="1/1", help="i/n: run part i of n (for job arrays)")
    parser.add_argument(
        "--prune",
        metavar="F/K",
        help="seed pruning: after a fraction F of training, finish only a cell's K best seeds",
    )
    parser.add_argument(
        "--missing-of",
        metavar="ENTITY/PROJECT/SWEEP",
        help="run only what is neither finished nor running in this W&B sweep",
    )
    parser.add_argument(
        "--page",
        type=_page_file,
        nargs="?",
        const=Path(),
        metavar="FILE",
        help="write a page of the sweep, and refresh it as runs finish (default: "
        "reports/SWEEP.html); takes at most 1%% of the time",
    )
    add_cluster_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    parser.add_argument("--retry-crashed", action="store_true", help="rerun crashed runs")
    return parser


def _page_file(text: str) -> Path:
    if not text.endswith(".html"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a file that ends in .html")
    return Path(text)


def _live_page(options: argparse.Namespace, sweep: Sweep, argv: Sequence[str]) -> LivePage:
    """Return the page of a grid, which writes nothing without --page or with --dry-run.

    Raises:
        ReportError: If the packages that pages need are not installed.
    """
    if options.page is None or options.dry_run:
        return LivePage(lambda is_running: None, print)
    from stablebert.report.page.environment import check_packages
    from stablebert.report.page.sweep_page import write_sweep_page

    check_packages()
    path = Path("reports", f"{sweep.name}.html") if options.page == Path() else options.page
    print(f"page: {path}")
    command = command_line("grid", *argv)
    folders = committed_folders(options)

    def write(is_running: bool) -> None:
        write_sweep_page(sweep, folders, path, command=command, is_running=is_running)

    return LivePage(write, print)


def _describe_plan(plan: Plan, *, retry_crashed: bool) -> str:
    hint = " (--retry-crashed runs them)" if plan.crashed and not retry_crashed else ""
    unknown = f", {len(plan.unidentified)} unknown" if plan.unidentified else ""
    return (
        f"{count_of(plan.total, 'run')}, {len(plan.done)} done, {len(plan.missing)} missing, "
        f"{len(plan.crashed)} crashed{hint}{unknown}"
    )


def _describe_unidentified(plan: Plan, clock: Clock, workers: int) -> str:
    """Return the tasks whose runs are unknown, and the time that all runs can take at most."""
    tasks = Counter(cfg.task for cfg in plan.unidentified)
    counts = ", ".join(f"{task} {count}" for task, count in tasks.items())
    runs = [*plan.missing, *plan.crashed]
    runs += [Run(cfg, config_id="", folder=Path()) for cfg in plan.unidentified]
    return (
        f"unknown, because data or model is not available: {counts}\n"
        f"estimated time for everything that may be missing, on {count_of(workers, 'worker')}: "
        f"{clock.remaining(runs, workers)}{clock.describe_source({run.cfg.scale for run in runs})}"
    )


def _missing_of(
    path: str, configs: Sequence[RunConfig], records: Sequence[RunRecord]
) -> list[RunConfig]:
    """Return the configurations that a W&B sweep has neither finished nor is executing."""
    from stablebert.tracking.sweeps import missing_keys, read_wandb_sweep

    sweep = read_wandb_sweep(path)
    print_errors(sweep.problems)
    identities = Identities([*records, *sweep.records])
    runs = {run.key: run for run in map(identities.run, configs)}
    missing_runs = [runs[key] for key in missing_keys(sweep, runs)]
    print(f"{path} is missing {len(missing_runs)} of {count_of(len(runs), 'run')}")
    for cell, seeds in _seeds_by_cell(missing_runs).items():
        print(f"  {cell}: seeds {format_seeds(seeds)}")
    return [run.cfg for run in missing_runs]


def _seeds_by_cell(runs: Sequence[Run]) -> dict[str, list[Seeds]]:
    cells: dict[str, list[Seeds]] = {}
    for run in runs:
        cfg = run.cfg
        cell = f"{cfg.scale} {cfg.task} {cfg.method} {cfg.length} {run.config_id}"
        cells.setdefault(cell, []).append(run.seeds)
    return cells


def prefetch(argv: Sequence[str]) -> int:
    """Download the data and models that a sweep needs."""
    options = sweep_parser("prefetch", reads_records=False).parse_intermixed_args(argv)
    problems = fetch_required_items(read_sweep(options.sweep).narrow(options.overrides).configs())
    print_errors(f"not fetched: {problem}" for problem in problems)
    return 1 if problems else 0
