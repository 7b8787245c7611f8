"""The command `soup`: the mean weights of the runs of each cell, scored."""

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from stablebert.cli.arguments import sweep_parser
from stablebert.cli.streams import print_errors
from stablebert.config.own_tasks import command_line
from stablebert.config.recognition import describe_recognitions
from stablebert.config.sweep import read_sweep
from stablebert.report.analyses.base import Basis, Request
from stablebert.report.analyses.soup import SOUP
from stablebert.report.compare import analyze_cells
from stablebert.report.expected import read_sweep_records
from stablebert.report.join import join_records
from stablebert.report.render import Document, render_text
from stablebert.runs.files import WEIGHTS
from stablebert.runs.locate import locate
from stablebert.runs.record import RecordError, RunRecord, read_record
from stablebert.runs.run import LocatedRun
from stablebert.runs.seeds import format_seeds
from stablebert.runs.soup import Soup, inputs_of, read_soup, soup_file, write_soup
from stablebert.runs.weights import WeightsError
from stablebert.text import count_of


def soup(argv: Sequence[str]) -> int:
    """Average the weights of the runs of each cell of a sweep, and score the means."""
    options = sweep_parser("soup", reads_records=False).parse_intermixed_args(argv)
    sweep = read_sweep(options.sweep).narrow(options.overrides)
    configs = sweep.configs()
    basis = read_sweep_records(sweep)
    print_errors([*describe_recognitions(configs), *basis.notes])
    rows = analyze_cells(join_records(basis.cells, basis.records).results, mark_by="test")
    others = [text for text in options.overrides if not text.startswith("trainer.keep_weights=")]
    command = command_line("grid", options.sweep, *others, "trainer.keep_weights=true")
    cells: dict[Path, dict[Path, LocatedRun]] = {}
    for run in map(locate, configs):
        cells.setdefault(run.folder.parent, {})[run.folder] = run
    problems = _make_soups([_Cell(list(runs.values())) for runs in cells.values()], command)
    print_errors(problems)
    report = Basis(rows=rows, request=Request(roots=sweep.roots))
    if not SOUP.obstacle(report):
        findings = SOUP.analyze(report)
        document = Document(
            title=f"{sweep.name}: soup", tables=findings.tables, caption=findings.sentences
        )
        print(render_text(document))
    return 1 if problems else 0


class _Cell:
    """The runs of a cell and the file of their soup.

    Args:
        runs: Located runs that differ only in their seeds.
    """

    def __init__(self, runs: Sequence[LocatedRun]):
        self.runs = runs
        self.seeds = [run.seeds for run in runs]
        self.file = soup_file(runs[0].folder.parent, self.seeds)

    @property
    def name(self) -> str:
        """Name in progress lines and messages."""
        return self.runs[0].name.removesuffix(f" {self.runs[0].folder.name}")

    def records(self, command: str) -> list[RunRecord]:
        """Return the records of all runs.

        Args:
            command: Command that trains the runs again.

        Raises:
            RecordError: If there is only one run, or a run has no valid record, or no weights.
        """
        if len(self.runs) < 2:
            raise RecordError(f"{self.name}: one seed; the mean of weights takes two or more")
        records = [
            read_record(run.folder) if (run.folder / WEIGHTS).exists() else None
            for run in self.runs
        ]
        lacking = [seeds for seeds, record in zip(self.seeds, records, strict=True) if not record]
        if lacking:
            raise RecordError(
                f"{self.name}: no {WEIGHTS} of seeds {format_seeds(lacking)} in "
                f"{self.file.parent}; `{command}` trains these runs, also finished "
                "ones, and keeps their weights"
            )
        return [record for record in records if record]

    def is_up_to_date(self, records: Sequence[RunRecord]) -> bool:
        """Return whether the file has the soup of these records; a damaged one is replaced."""
        try:
            soup = read_soup(self.file, config_id=records[0].config_id, seeds=self.seeds)
        except RecordError as error:
            print_errors([f"computed again: {error}"])
            return False
        return soup is not None and soup.inputs == inputs_of(records)


def _make_soups(cells: Sequence[_Cell], command: str) -> list[str]:
    """Make the soups that are missing, and return why others cannot be made."""
    problems: list[str] = []
    jobs: list[tuple[_Cell, list[RunRecord]]] = []
    for cell in cells:
        try:
            records = cell.records(command)
        except RecordError as error:
            problems.append(str(error))
            continue
        if not cell.is_up_to_date(records):
            jobs.append((cell, records))
    done = len(cells) - len(jobs) - len(problems)
    counts = f"{done} done, {len(jobs)} to do, {len(problems)} not ready"
    print(f"{count_of(len(cells), 'cell')}: {counts}", flush=True)
    if not jobs:
        return problems
    from stablebert.training.soup import make_soup  # torch: only if needed

    start, unmade = time.monotonic(), sum(len(cell.runs) for cell, _ in jobs)
    total = unmade
    for number, (cell, records) in enumerate(jobs, start=1):
        unmade -= len(cell.runs)
        try:
            result = make_soup(cell.runs, records)
        except WeightsError as error:
            problems.append(str(error))
            continue
        write_soup(cell.file, result)
        seconds = round((time.monotonic() - start) * unmade / (total - unmade))
        print(
            f"[{number}/{len(jobs)}] {cell.name}: {_describe_soup(result)}; "
            f"left {timedelta(seconds=seconds)}",
            flush=True,
        )
    return problems


def _describe_soup(soup: Soup) -> str:
    """Return test scores x 100 and time of a soup in a few words."""
    uniform, greedy = (100 * soup.score(f"test_{kind}") for kind in ("uniform", "greedy"))
    return (
        f"test {uniform:.1f} with all {len(soup.inputs)} runs, {greedy:.1f} with "
        f"{len(soup.greedy)} chosen greedily ({soup.seconds:.0f} s)"
    )
