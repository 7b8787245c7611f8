"""Number of runs and hours until a run reaches a validation score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf

from stablebert.report.analyses.base import Analysis, Basis, Findings, Number, numbers_by_name
from stablebert.report.cells import describe_cell, task_title
from stablebert.report.join import CellResult
from stablebert.report.render import Entry, Table
from stablebert.report.sentences import row_name
from stablebert.report.statistics.cost import Cost, cost_of_target
from stablebert.report.statistics.scores import MIN_RUNS, Interval
from stablebert.report.tables import label_entries
from stablebert.text import count_of

CONFIDENCE = 0.95
"""Probability that at least one run reaches the target."""
_Task = tuple[str, str]
"""Scale and name of a task."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The validation score to reach on a task, x 100."""

    value: float
    best: CellResult | None
    """Cell whose mean it is, None if the user set it."""


@dataclass(frozen=True, kw_only=True)
class CellCost:
    """The cost of reaching the target with the runs of a cell."""

    result: CellResult
    target: Target
    cost: Cost
    seconds: float
    """Mean duration of a run."""


def _obstacle(basis: Basis) -> str:
    if _usable(basis):
        return ""
    return f"needs {MIN_RUNS} runs of a cell that seed pruning did not select"


def _usable(basis: Basis) -> list[CellResult]:
    return [result for result in basis.results if result.n >= MIN_RUNS and not result.pruned]


def _analyze(basis: Basis) -> Findings:
    costs = costs_of(basis)
    return Findings(
        tables=[_table(costs, basis.labels)],
        sentences=[*_sentences(costs, basis.labels), *_DEFINITIONS, *_remarks(basis)],
        numbers=[number for cost in costs for number in _numbers(cost)],
    )


def costs_of(basis: Basis) -> list[CellCost]:
    """Return the costs of every cell with enough runs."""
    targets = _targets(basis)
    costs = []
    for result in _usable(basis):
        seconds = [sum(record.seconds.values()) for record in result.records]
        target = targets[_task(result)]
        cost = cost_of_target(result.val, seconds, target=target.value, confidence=CONFIDENCE)
        mean = sum(seconds) / len(seconds)
        costs.append(CellCost(result=result, target=target, cost=cost, seconds=mean))
    return costs


def _task(result: CellResult) -> _Task:
    return result.cell.scale, result.cell.task


def _targets(basis: Basis) -> Mapping[_Task, Target]:
    """Return the target of each task: the user's, or the best mean validation score."""
    targets: dict[_Task, Target] = {}
    for result in _usable(basis):
        if basis.request.target is not None:
            targets[_task(result)] = Target(value=basis.request.target, best=None)
            continue
        target = Target(value=float(result.val.mean()), best=result)
        own = targets.setdefault(_task(result), target)
        targets[_task(result)] = max(own, target, key=lambda t: t.value)
    return targets


# ---------------------------------------------------------------- sentences


def _sentences(costs: Sequence[CellCost], labels: Sequence[str]) -> list[str]:
    """Return one sentence per task."""
    tasks: dict[_Task, list[CellCost]] = {}
    for cost in costs:
        tasks.setdefault(_task(cost.result), []).append(cost)
    sentences = []
    for (scale, task), group in tasks.items():
        target = group[0].target
        origin = f", the mean of {row_name(target.best.cell, labels)}" if target.best else ""
        texts = []
        for c in group:
            name = row_name(c.result.cell, labels)
            if isinf(c.cost.runs.value):
                texts.append(f"none of {count_of(c.cost.n, 'run')} with {name} reaches it")
            else:
                runs = count_of(int(c.cost.runs.value), "run")
                texts.append(f"{runs} ({_format_number(c.cost.hours.value, 2)} h) with {name}")
        sentences.append(
            f"{task_title(task, scale)}: runs until one has a validation score of "
            f"{target.value:.1f}{origin}, with a probability of {CONFIDENCE:.0%}: "
            f"{', '.join(texts)}."
        )
    return sentences


_DEFINITIONS = (
    f"Runs: the smallest k with 1 - (1 - p)^k of {CONFIDENCE:.0%} or more, for the share p of runs "
    "that reach the target; its interval is that of p (Clopper-Pearson). Hours: k times the mean "
    "duration of a run (load, train, validate, and test), one run at a time; the interval treats "
    "that mean as known. If the target is the mean of a cell, about half of its runs reach it by "
    "construction; set another one with --target POINTS.",
)


def _remarks(basis: Basis) -> list[str]:
    """Return lines on durations that are incomplete or not comparable, and on other cells."""
    usable = _usable(basis)
    records = [record for result in usable for record in result.records]
    lines = []
    if len(devices := dict.fromkeys(record.device for record in records)) > 1:
        lines.append(f"Hours are not comparable: runs used {', '.join(devices)}.")
    if len(packings := dict.fromkeys(record.packing for record in records)) > 1:
        lines.append(f"Hours are not comparable: training steps were {', '.join(packings)}.")
    if any(record.start for record in records):
        lines.append("Hours do not include the intermediate runs that other runs start from.")
    used = {id(result) for result in usable}
    if left_out := [describe_cell(r.cell) for r in basis.results if r.n and id(r) not in used]:
        reason = f"fewer than {MIN_RUNS} runs, or selected by seed pruning"
        lines.append(f"Without an estimate ({reason}): {', '.join(left_out)}.")
    return lines


# ---------------------------------------------------------------- table and numbers


def _table(costs: Sequence[CellCost], labels: Sequence[str]) -> Table:
    rows = []
    for c in costs:
        p = c.cost.probability
        texts = [
            f"{c.target.value:.1f}",
            f"{c.cost.successes}/{c.cost.n}",
            f"{p.value:.2f} [{p.low:.2f}, {p.high:.2f}]",
            _format(c.cost.runs, 1),
            _format_number(c.seconds, 3),
            _format(c.cost.hours, 2),
        ]
        entries = [Entry(text=text) for text in texts]
        rows.append([*label_entries(c.result.cell, labels), *entries])
    head = ["target", "reached", "probability [95% CI]", "runs [95% CI]", "s per run"]
    return Table(
        title=f"Runs and hours to reach a validation score with a probability of {CONFIDENCE:.0%}",
        head=["task", *labels, *head, "hours [95% CI]"],
        rows=rows,
        labels=1 + len(labels),
    )


def _format(x: Interval, digits: int) -> str:
    value, low, high = (_format_number(end, digits) for end in (x.value, x.low, x.high))
    return f"{value} [{low}, {high}]"


def _format_number(x: float, digits: int) -> str:
    """Round to significant digits, but keep all digits before the point."""
    if isinf(x):
        return "∞"
    return f"{x:.{digits}g}" if x < 10**digits else f"{x:.0f}"


def _numbers(c: CellCost) -> list[Number]:
    return numbers_by_name(
        c.result.cell,
        {
            "target": c.target.value,
            "n": c.cost.n,
            "reached": c.cost.successes,
            "seconds_per_run": c.seconds,
            "probability": c.cost.probability,
            "runs": c.cost.runs,
            "hours": c.cost.hours,
        },
    )


COST = Analysis(
    name="cost",
    summary="runs and hours until a validation score is reached (--target)",
    obstacle=_obstacle,
    analyze=_analyze,
)
