"""The command line: `stablebert COMMAND KEY=VALUE...`. It answers without loading torch."""

import argparse
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stablebert.config.compose import compose
from stablebert.config.files import CONF, SWEEPS, documented_keys, flatten, load_conf
from stablebert.config.schema import RunConfig
from stablebert.config.serialize import to_yaml
from stablebert.config.sweep import read_sweep
from stablebert.config.values import choices_of, describe_allowed_values
from stablebert.errors import ActionableError, ConfigError
from stablebert.runs.files import CRASH, RESULT
from stablebert.runs.identities import Identities
from stablebert.runs.locate import locate
from stablebert.runs.record import RunRecord, read_record, summarize
from stablebert.runs.run import Job, LocatedRun
from stablebert.tracking.mirror import mirror_finished_run, mirror_refusal, started_by_agent

RESULTS = CONF.parent / "results"  # committed records, in a checkout

CHOICES = ("task", "method", "length", "scale")
EXAMPLES = """\
  stablebert train task=rte method=reinit seed=3
  stablebert train task=mrpc length=longer optimizer.lr=1e-4
  stablebert config scale=paper task=cola method=bert_adam"""


def train(overrides: Sequence[str]) -> int:
    """Fine-tune once: one configuration, one seed."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        with _sigterm_exits():
            run, record = _trained(overrides)
    except (KeyboardInterrupt, SystemExit) as stop:
        # Lightning turns Ctrl-C into exit(1), and SIGTERM into an exit that looks like success
        by_hand = KeyboardInterrupt in (type(stop), type(stop.__context__))
        print("stopped: nothing recorded; the same command starts over", file=sys.stderr)
        return 130 if by_hand else 143
    except (ActionableError, ConfigError):
        raise
    except Exception as error:
        traceback.print_exc()
        print(f"stablebert train: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(summarize(record))
    print(run.folder / RESULT)
    return 0


def _trained(overrides: Sequence[str]) -> tuple[LocatedRun, RunRecord]:
    try:
        run = locate(compose(overrides))
        record = None if run.cfg.force else read_record(run.folder)
    except (ActionableError, ConfigError) as error:
        mirror_refusal(error)
        raise
    if record:
        print("done already; force=true runs it again")
        mirror_finished_run(record, run)
        return run, record
    from stablebert.training.lifecycle import train, train_when_free  # torch: only if needed

    # a sweep hands out a run only once, so wait if it is being executed elsewhere
    return run, train_when_free(Job(run)) if started_by_agent() else train(run)


@contextmanager
def _sigterm_exits() -> Iterator[None]:
    """Let SIGTERM end the block as an exit does, so that what is open is closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def config(overrides: Sequence[str]) -> int:
    """Print the resolved configuration as YAML."""
    print(to_yaml(compose(overrides)), end="")
    return 0


def grid(words: Sequence[str]) -> int:
    """Run what a sweep lacks: SWEEP KEY=VALUES..., in worker processes."""
    parser = _parser("grid", grid)
    parser.add_argument(
        "--workers",
        type=_count,
        help="processes (default: one per GPU; on a CPU one per core, at most 4)",
    )
    parser.add_argument("--workers-per-gpu", type=_count, default=1, metavar="K")
    parser.add_argument("--shard", default="1/1", help="i/n: this is part i of n (job arrays)")
    parser.add_argument(
        "--prune",
        metavar="F/K",
        help="seed pruning: after a fraction F of training the K best seeds of a cell go on",
    )
    parser.add_argument(
        "--missing-of",
        metavar="ENTITY/PROJECT/SWEEP",
        help="run only what this W&B sweep has neither finished nor at work",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the plan and stop")
    parser.add_argument("--retry-crashed", action="store_true", help="run crashed runs again")
    typed = parser.parse_intermixed_args(words)
    from stablebert import machine
    from stablebert.grid import executor
    from stablebert.grid.clock import Clock
    from stablebert.grid.plan import clear_crashes, make_plan, select_shard
    from stablebert.grid.pruning import Pruning, run_pruned_grid
    from stablebert.report.records import read_records

    pruning = Pruning.parse(typed.prune) if typed.prune else None
    sweep = read_sweep(typed.sweep).narrow(typed.words)
    configs = select_shard(sweep.configs(), typed.shard)
    records, problems = read_records(*sweep.roots, *_committed(typed))
    _tell(f"skipped: {problem}" for problem in problems)
    timed = [*records, *read_records(RESULTS)[0]] if typed.fresh else records
    if typed.missing_of:
        configs = _missing_of(typed.missing_of, configs, records)
    identities = Identities(records)
    plan = make_plan(configs, records, identities)
    _tell(identities.assumptions)
    todo = plan.missing + (plan.crashed if typed.retry_crashed else [])
    todo.sort(key=lambda run: run.cfg.seed)
    gpus = machine.visible_gpus() * typed.workers_per_gpu
    workers = typed.workers or len(gpus) or min(machine.usable_cores(), executor.CPU_WORKERS)
    clock = Clock(timed)
    retried = "" if typed.retry_crashed or not plan.crashed else " (--retry-crashed runs them)"
    print(
        f"{sweep.name}: {plan.total} runs wanted, {len(plan.done)} done, {len(plan.missing)} "
        f"missing, {len(plan.crashed)} crashed{retried}\n"
        f"{len(todo)} to run on {workers} worker{'s' * (workers > 1)}, estimated time "
        f"{clock.remaining(todo, workers)}"
    )
    if typed.dry_run or not todo:
        return 0
    located = [locate(run.cfg) for run in todo]
    if typed.retry_crashed:
        clear_crashes(plan.crashed)
    try:
        if pruning:
            outcome = run_pruned_grid(
                located, pruning, records, done=plan.done, workers=workers, gpus=gpus
            )
        else:
            jobs = [Job(run) for run in located]
            outcome = executor.run_grid(jobs, workers=workers, gpus=gpus, records=timed)
    except KeyboardInterrupt:
        print("stopped: finished runs are kept; the same command goes on", file=sys.stderr)
        return 130
    for job in outcome.crashed:
        print(f"crashed: {job.run.folder / CRASH}", file=sys.stderr)
    return 1 if outcome.crashed else 0


def _missing_of(
    path: str, configs: Sequence[RunConfig], records: Sequence[RunRecord]
) -> list[RunConfig]:
    from stablebert.tracking.sweeps import missing_keys, read_wandb_sweep

    sweep = read_wandb_sweep(path)
    _tell(sweep.problems)
    identities = Identities([*records, *sweep.records])
    runs = {run.key: run for run in map(identities.run, configs)}
    missing = [runs[key] for key in missing_keys(sweep, runs)]
    cells: dict[str, list[str]] = {}
    for run in missing:
        cfg = run.cfg
        cell = f"{cfg.scale} {cfg.task} {cfg.method} {cfg.length} {run.config_id}"
        cells.setdefault(cell, []).append(run.folder.name)
    print(f"{path} lacks {len(missing)} of {len(runs)} runs")
    for cell, folders in cells.items():
        print(f"  {cell}: {' '.join(folders)}")
    return [run.cfg for run in missing]


def report(words: Sequence[str]) -> int:
    """Print a sweep's table and write it as Markdown, CSV and LaTeX: SWEEP KEY=VALUES..."""
    parser = _parser("report", report)
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder of the files")
    typed = parser.parse_intermixed_args(words)
    from stablebert.report.expected import read_sweep_records
    from stablebert.report.records import read_records
    from stablebert.report.search import best_of_search, search_sweeps
    from stablebert.report.sweep_report import write_report
    from stablebert.report.table3 import write_table3

    if typed.sweep == "table3":  # the data: needs no sweep, only any runs
        runs = Path(compose(typed.words).paths.runs).expanduser()
        records, problems = read_records(runs, *_committed(typed))
        print(write_table3(records, problems, typed.out))
        return 0
    sweep = read_sweep(typed.sweep).narrow(typed.words)
    basis = read_sweep_records(sweep, *_committed(typed))
    cells, notes = basis.cells, basis.notes
    searches = [read_sweep_records(s, *_committed(typed)) for s in search_sweeps(sweep)]
    if searches:
        candidates = [cell for search in searches for cell in search.cells]
        cells, choices = best_of_search(cells, candidates, basis.records)
        notes = [*notes, *choices]
    print(write_report(cells, basis.records, name=sweep.name, out=typed.out, notes=notes))
    return 0


def select(words: Sequence[str]) -> int:
    """Write the winners of a search by validation to conf/selected.yaml: SWEEP KEY=VALUES..."""
    typed = _parser("select", select).parse_intermixed_args(words)
    from stablebert.report.expected import read_sweep_records
    from stablebert.report.selection import write_selection

    sweep = read_sweep(typed.sweep).narrow(typed.words)
    basis = read_sweep_records(sweep, *_committed(typed))
    _tell(basis.notes)
    path = CONF / "selected.yaml"
    for line in write_selection(basis.cells, basis.records, sweep=sweep.name, path=path):
        print(line)
    print(path)
    return 0


def collect(words: Sequence[str]) -> int:
    """Write all records to one FILE (.csv, .parquet, .jsonl), a line each: FILE [FOLDER...]."""
    parser = argparse.ArgumentParser(prog="stablebert collect", description=collect.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("runs"), RESULTS])
    parser.add_argument(
        "--from-wandb",
        metavar="ENTITY/PROJECT/SWEEP",
        help="the finished runs of a W&B sweep instead, as far as they fit its grid",
    )
    typed = parser.parse_args(words)
    from stablebert.report.collect import write_records
    from stablebert.report.records import read_records

    if typed.from_wandb:
        from stablebert.tracking.sweeps import read_wandb_sweep, select_expected_records

        sweep = read_wandb_sweep(typed.from_wandb)
        records, refused = select_expected_records(sweep)
        _tell(f"refused: {reason}" for reason in refused)
        _tell(f"not finished: {line}" for line in sweep.failures())
    else:
        refused = []
        records, problems = read_records(*typed.folders)
        _tell(f"skipped: {problem}" for problem in problems)
    write_records(records, typed.file)
    print(f"{len(records)} records: {typed.file}")
    return 1 if refused else 0


def agent(words: Sequence[str]) -> int:
    """Start agents of a W&B sweep, one per GPU: ENTITY/PROJECT/SWEEP."""
    parser = argparse.ArgumentParser(prog="stablebert agent", description=agent.__doc__)
    parser.add_argument("sweep", metavar="ENTITY/PROJECT/SWEEP")
    parser.add_argument("--agents", type=_count, help="how many (default: one per GPU, or one)")
    parser.add_argument("--count", type=_count, help="most runs of each agent")
    typed = parser.parse_args(words)
    from stablebert.machine import visible_gpus
    from stablebert.tracking.agent import run_agents

    gpus = visible_gpus()
    agents = typed.agents or max(1, len(gpus))
    return run_agents(typed.sweep, agents=agents, gpus=gpus, count=typed.count)


def dashboard(words: Sequence[str]) -> int:
    """Create or update a W&B workspace, and a report per table: ENTITY/PROJECT."""
    from stablebert.tracking import dashboard as boards

    parser = argparse.ArgumentParser(prog="stablebert dashboard", description=dashboard.__doc__)
    parser.add_argument("project", metavar="ENTITY/PROJECT")
    parser.add_argument("--sweep", metavar="SWEEP", help="show its runs only, by its id in W&B")
    parser.add_argument("--layers", type=_count, default=24, help="of the model (default: 24)")
    parser.add_argument(
        "--report",
        action="append",
        choices=[*boards.table_names(), "none"],
        help="a table whose report to make (default: all)",
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write it to a file (or -) instead; needs no server"
    )
    typed = parser.parse_args(words)
    entity, project = boards.parse_project(typed.project)
    sweep = boards.parse_sweep_id(typed.sweep) if typed.sweep else None
    board = boards.build_workspace(entity, project, num_layers=typed.layers, sweep=sweep)
    chosen = [table for table in typed.report or boards.table_names() if table != "none"]
    reports = [boards.build_report(entity, project, table, sweep=sweep) for table in chosen]
    if typed.json:
        boards.write_json(boards.to_json(board, reports), typed.json)
        return 0
    for address in boards.save(board, reports):
        print(address)
    return 0


def prefetch(words: Sequence[str]) -> int:
    """Fetch what a sweep needs from the hub, for machines without a network: SWEEP KEY=VALUES..."""
    typed = _parser("prefetch", prefetch, records=False).parse_intermixed_args(words)
    from stablebert.ops.prefetch import prefetch as fetch

    problems = fetch(read_sweep(typed.sweep).narrow(typed.words).configs())
    _tell(f"not fetched: {problem}" for problem in problems)
    return 1 if problems else 0


def doctor(overrides: Sequence[str]) -> int:
    """Look whether runs can work here, and say what to do where they cannot."""
    cfg = compose(overrides)
    from stablebert.ops.doctor import diagnose

    return 0 if diagnose(cfg, partial(print, flush=True)) else 1


def _parser(
    name: str, run: Callable[[Sequence[str]], int], *, records: bool = True
) -> argparse.ArgumentParser:
    """Parser of a command on a sweep, and on its records."""
    shipped = ", ".join(sorted(p.stem for p in SWEEPS.glob("*.yaml")))
    parser = argparse.ArgumentParser(prog=f"stablebert {name}", description=_first_line(run))
    parser.add_argument("sweep", help=f"a file, or one of {shipped}")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="KEY=VALUES",
        help="narrow or change the grid: task=rte,cola seed=0..4 scale=mini",
    )
    if records:
        parser.add_argument(
            "--fresh", action="store_true", help="records committed in results/ do not count"
        )
    return parser


def _committed(typed: argparse.Namespace) -> list[Path]:
    """Folders of records besides the sweep's own."""
    return [] if typed.fresh else [RESULTS]


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": train,
    "grid": grid,
    "report": report,
    "select": select,
    "collect": collect,
    "agent": agent,
    "dashboard": dashboard,
    "prefetch": prefetch,
    "doctor": doctor,
    "config": config,
}
KEYED = ("train", "config", "doctor")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 2 when the words make no sense."""
    try:
        status = _main(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # `stablebert --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141  # as a shell has it
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return status


def _main(argv: Sequence[str] | None) -> int:
    command, *rest = list(sys.argv[1:] if argv is None else argv) or [""]
    if command in ("-h", "--help", "help"):
        print(overview())
        return 0
    if command in ("-V", "--version"):
        print(f"stablebert {_version()}")
        return 0
    if command not in COMMANDS:
        near = get_close_matches(command, COMMANDS, n=1)
        problem = f"{command} is not a command; the commands are {', '.join(COMMANDS)}"
        problem += f"; did you mean {near[0]}?" if near else ""
        print(problem if command else overview(), file=sys.stderr)
        return 2
    if command in KEYED and {"-h", "--help"}.intersection(rest):
        print(usage(command))
        return 0
    try:
        return COMMANDS[command](rest)
    except ConfigError as error:
        for problem in error.problems:
            print(f"stablebert {command}: {problem}", file=sys.stderr)
        return 2
    except ActionableError as error:
        print(f"stablebert {command}: {error}", file=sys.stderr)
        return 1


def overview() -> str:
    """The text of `stablebert --help`."""
    commands = "\n".join(f"  {name:11}{_first_line(run)}" for name, run in COMMANDS.items())
    choices = "\n".join(f"  {key:8}{' '.join(choices_of(key))}" for key in CHOICES)
    return f"""\
usage: stablebert COMMAND KEY=VALUE...
       stablebert --help | --version

Few-sample BERT fine-tuning, after Zhang et al. (ICLR 2021).

commands (COMMAND --help says what it takes):
{commands}

the keys that choose:
{choices}

examples:
{EXAMPLES}"""


def usage(command: str) -> str:
    """The text of `stablebert COMMAND --help`: every key, what it takes, its default, its use."""
    lines = [
        f"usage: stablebert {command} KEY=VALUE...",
        "",
        _first_line(COMMANDS[command]),
        "Defaults are base.yaml's: a task, method, length or scale may set another value.",
        f"`stablebert config {' '.join(f'{key}=...' for key in CHOICES)}` shows what holds.",
        "",
    ]
    defaults = flatten(load_conf("base"))
    for key, comment in documented_keys():
        allowed = describe_allowed_values(key)
        lines += [f"{key}={_typed(defaults[key])}", f"    {comment}", f"    takes {allowed}"]
    return "\n".join(lines)


def _typed(default: object) -> str:
    """A default as one would type it."""
    if default is None:
        return "null"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _first_line(run: Callable[[Sequence[str]], int]) -> str:
    return (run.__doc__ or "").partition("\n")[0]


def _version() -> str:
    try:
        return version("stablebert")
    except PackageNotFoundError:
        return "(not installed)"
