"""A sweep's cells, the records found of each, and how they compare.

Records join on the `config_id` and the seed that the sweep expects. What is missing stays missing,
what does not belong is named, and nothing is averaged over different precisions. Scores are x 100.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan

import numpy as np

from stablebert.report import statistics as stats
from stablebert.report.records import ReportError
from stablebert.runs.record import RunRecord
from stablebert.tasks import TASKS


@dataclass(frozen=True)
class Cell:
    """What a sweep expects of one combination of its parameters."""

    task: str
    method: str
    length: str
    scale: str
    params: Mapping[str, object]
    """The sweep's parameters, except the seed."""
    config_id: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Comparison:
    """A cell against the baseline of its task; p-values one-tailed, differences in points."""

    baseline: Cell
    difference: stats.Interval
    p_student: float
    p_welch: float
    improvement: float
    sd_ratio: float
    p_sd: float
    detectable: float
    p_holm: float = nan
    p_sd_holm: float = nan


@dataclass(frozen=True)
class Summary:
    """A cell and what was found of it: `records` in the order of their seeds."""

    cell: Cell
    records: tuple[RunRecord, ...]
    test: stats.Floats
    """Test score with the weights of the best validation, x 100, shape `(n,)`."""
    val: stats.Floats
    """Best validation score, x 100, shape `(n,)`."""
    missing: tuple[int, ...]

    @property
    def n(self) -> int:
        """Runs found."""
        return len(self.records)

    @property
    def failed(self) -> int:
        """Runs that ended no more accurate than the majority class, by their records."""
        return sum(record.status != "ok" for record in self.records)

    @property
    def at_chance(self) -> int:
        """Runs that ended not significantly better than chance."""
        return sum(map(fails_against_chance, self.records))


@dataclass
class Joined:
    """Cells with their records, and the records that are of no cell."""

    summaries: list[Summary]
    alike: list[str] = field(default_factory=list)
    """Strangers that look like a cell: its task, method, length and scale."""
    others: int = 0
    """Strangers that do not."""


# ---------------------------------------------------------------- joining


def run_seed(record: RunRecord) -> int | None:
    """The seed of a run that has one; None where initialisation and data order have their own."""
    return record.seed_data if record.seed_init == record.seed_data else None


def join(cells: Sequence[Cell], records: Iterable[RunRecord]) -> Joined:
    """Give every cell its records, by configuration and seed.

    Raises:
        ReportError: runs of one cell obtained different precisions or packings.
    """
    wanted = {(cell.config_id, seed) for cell in cells for seed in cell.seeds}
    found: dict[tuple[str, int], RunRecord] = {}
    strangers: list[RunRecord] = []
    for record in records:
        seed = run_seed(record)
        if seed is None or (record.config_id, seed) not in wanted:
            strangers.append(record)
        else:
            found.setdefault((record.config_id, seed), record)
    summaries = [_summary(cell, found) for cell in cells]
    _refuse_mixtures(summaries)
    looks = {(cell.scale, cell.task, cell.method, cell.length) for cell in cells}
    alike: dict[tuple[str, ...], list[str]] = {}
    for record in strangers:
        look = (record.scale, record.task, record.method, record.length)
        if look in looks:
            seed = run_seed(record)
            name = f"{record.seed_init}/{record.seed_data}" if seed is None else str(seed)
            alike.setdefault((*look, record.config_id), []).append(name)
    lines = [f"{' '.join(key)}: {spans(names)}" for key, names in sorted(alike.items())]
    return Joined(summaries, lines, len(strangers) - sum(map(len, alike.values())))


def _summary(cell: Cell, found: Mapping[tuple[str, int], RunRecord]) -> Summary:
    seeds = sorted(set(cell.seeds))
    records = tuple(found[cell.config_id, s] for s in seeds if (cell.config_id, s) in found)
    return Summary(
        cell,
        records,
        test=100 * np.array([record.test_at_best for record in records], dtype=np.float64),
        val=100 * np.array([record.val_best for record in records], dtype=np.float64),
        missing=tuple(s for s in seeds if (cell.config_id, s) not in found),
    )


def _refuse_mixtures(summaries: Sequence[Summary]) -> None:
    problems = []
    for summary in summaries:
        for name in ("precision", "packing"):
            count = Counter(getattr(record, name) for record in summary.records)
            if len(count) > 1:
                kinds = ", ".join(f"{kind} in {k}" for kind, k in sorted(count.items()))
                problems.append(f"{words(summary.cell)}: {name} obtained differs: {kinds} runs")
    if problems:
        raise ReportError("\n".join([*problems, "no mean is made over runs that differ so"]))


def fails_against_chance(record: RunRecord, alpha: float = stats.ALPHA) -> bool:
    """Whether a run's last weights, on the whole dev set, are not significantly above chance."""
    name, majority = record.metric, record.majority["dev"]
    if name == "f1":  # judged by accuracy; F1 of the positive share p is 2p / (1 + p)
        name, majority = "accuracy", max(majority / (2 - majority), 0.5)
    score = record.metrics["dev_at_last"].get(name)
    held_out = record.task in TASKS and TASKS[record.task].holds_out
    parts = ("test",) if held_out else ("val", "test")
    rows = sum(int(record.splits[part]["rows"]) for part in parts)
    return score is None or stats.p_chance(name, score, rows, majority) >= alpha


# ---------------------------------------------------------------- statistics of a table


def varying(cells: Sequence[Cell]) -> list[str]:
    """Parameters that tell cells apart, beside task, method and length."""
    keys = dict.fromkeys(key for cell in cells for key in cell.params)
    kept = [key for key in keys if key not in ("task", "method", "length", "scale", "seed")]
    many = [key for key in kept if len({str(cell.params.get(key)) for cell in cells}) > 1]
    return many + (["scale"] if len({cell.scale for cell in cells}) > 1 else [])


def value(cell: Cell, key: str) -> str:
    """A cell's value of a parameter, as text."""
    if key in ("task", "method", "length", "scale"):
        return str(getattr(cell, key))
    return str(cell.params.get(key, "-"))


def baseline_of(cell: Cell, cells: Sequence[Cell], others: Sequence[str]) -> Cell | None:
    """The cell that a cell is compared with; None where the sweep has none.

    `standard` with three epochs, of the same task and the same other parameters. Where bias
    correction is what is compared, `bert_adam`: the paper's claim is that correcting improves.
    """
    of_bias = {c.method for c in cells} == {"bert_adam", "standard"}
    method = "bert_adam" if of_bias else "standard"
    same = [
        c
        for c in cells
        if c.method == method
        and c.task == cell.task
        and c.scale == cell.scale
        and all(value(c, key) == value(cell, key) for key in others)
    ]
    return min(same, key=lambda c: c.length != "3epochs", default=None)


def compare(summaries: Sequence[Summary]) -> list[Comparison | None]:
    """Every cell against its baseline, Holm over all of them; None where it cannot be tested."""
    cells = [summary.cell for summary in summaries]
    others = varying(cells)
    place = {id(cell): summary for cell, summary in zip(cells, summaries, strict=True)}
    made: list[Comparison | None] = []
    for summary in summaries:
        baseline = baseline_of(summary.cell, cells, others)
        base = place[id(baseline)] if baseline else None
        if base is None or base is summary or min(base.n, summary.n) < 2:
            made.append(None)
            continue
        a, b = base.test, summary.test
        sd_ratio, p_sd = stats.brown_forsythe(a, b)
        made.append(
            Comparison(
                base.cell,
                difference=stats.difference(a, b),
                p_student=stats.student(a, b),
                p_welch=stats.welch(a, b),
                improvement=stats.probability_of_improvement(a, b),
                sd_ratio=sd_ratio,
                p_sd=p_sd,
                detectable=stats.detectable(a, b),
            )
        )
    tested = [c for c in made if c]
    welch = iter(stats.holm([c.p_welch for c in tested]).tolist())
    sd = iter(stats.holm([c.p_sd for c in tested if not isnan(c.p_sd)]).tolist())
    return [
        replace(c, p_holm=next(welch), p_sd_holm=nan if isnan(c.p_sd) else next(sd)) if c else None
        for c in made
    ]


def marks(summaries: Sequence[Summary], *, of: str = "test") -> dict[int, bool]:
    """By `id` of the cell: best of its task and model or not significantly worse, the paper's rule.

    A task is marked only where two cells or more are there, and each has two runs or more.
    """
    groups: dict[tuple[str, ...], list[Summary]] = {}
    for summary in summaries:
        cell = summary.cell
        if summary.n:
            kind = (cell.task, cell.scale, value(cell, "model.name"))
            groups.setdefault(kind, []).append(summary)
    marked: dict[int, bool] = {}
    for group in groups.values():
        if len(group) > 1 and all(summary.n > 1 for summary in group):
            verdicts = stats.not_worse_than_best([getattr(summary, of) for summary in group])
            marked |= {id(s.cell): good for s, good in zip(group, verdicts, strict=True)}
    return marked


# ---------------------------------------------------------------- in words


def title(task: str, scale: str) -> str:
    """A task's name in tables; a generated task never reads like a real one."""
    if scale == "demo":
        return f"demo-{task}"
    return TASKS[task].title if task in TASKS else task


def words(cell: Cell) -> str:
    """A cell in a sentence."""
    return f"{title(cell.task, cell.scale)} {cell.method} {cell.length} ({cell.config_id})"


def spans(names: Sequence[str]) -> str:
    """`0..4, 7` of seeds; pairs `1/2` of two seeds follow as they are."""
    numbers = sorted({int(name) for name in names if name.isdigit()})
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    said = [str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs]
    return ", ".join([*said, *(name for name in names if not name.isdigit())])
