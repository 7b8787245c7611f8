"""Parts of the tables of docs/results.md."""

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.demo import bold, counts_of, markdown_table
from stablebert.optim.bias_ratio import analytic_bias_ratio
from stablebert.optim.schedule import linear_warmup
from stablebert.report.analyses.base import Basis, Request
from stablebert.report.analyses.registry import ANALYSES
from stablebert.report.cells import task_title
from stablebert.report.compare import analyze_cells
from stablebert.report.join import CellResult
from stablebert.report.render import Table, render_markdown_table
from stablebert.report.sentences import summarize_findings
from stablebert.report.statistics.rates import rate_curve
from stablebert.report.tables import (
    comparison_tables,
    format_mean_sd,
    paper_layout_tables,
    row_labels,
)

WIDE = 5.0
"""Loss of mean validation score, in points, that a wide range of rates allows."""


def effect(cells: Sequence[CellResult], name: str) -> str:
    """Return a report's scores, its tests and paired tests, and its verdicts."""
    rows = analyze_cells(cells, mark_by="test")
    paired = ANALYSES["paired"].analyze(Basis(rows=rows, request=Request()))
    tables = [*paper_layout_tables(rows, name), *comparison_tables(rows), *paired.tables]
    sentences = summarize_findings(rows, row_labels([row.cell for row in rows]))
    return "\n\n".join([*map(show, tables), "\n".join(f"* {line}" for line in sentences)])


def rate_choice(
    cells: Iterable[CellResult], tasks: Sequence[str], *, dropped: Sequence[str] = ()
) -> str:
    """Return validation scores by learning rate and task, the best mean over tasks in bold.

    Args:
        cells: Results of every task at every learning rate.
        tasks: Tasks of the mean.
        dropped: Other tasks, shown with their runs at chance.
    """
    by_rate: dict[float, dict[str, CellResult]] = {}
    for result in cells:
        by_rate.setdefault(rate_of(result), {})[result.cell.task] = result
    means = {
        rate: float(np.mean([own[task].val.mean() for task in tasks]))
        for rate, own in by_rate.items()
    }
    rows = []
    for rate, own in by_rate.items():
        scores, others = ([format_mean_sd(own[x].val) for x in xs] for xs in (tasks, dropped))
        mean = bold(f"{means[rate]:.1f}", means[rate] == max(means.values()))
        at_chance = [counts_of([own[x] for x in dropped])[1]] if dropped else []
        rows.append([f"{rate:g}", *scores, mean, *others, *at_chance])
    count = {2: "two", 3: "three"}[len(tasks)]
    head = ["learning rate", *titles(tasks), f"mean of the {count}", *titles(dropped)]
    last = [f"{' and '.join(titles(dropped))} at chance"] if dropped else []
    return markdown_table([*head, *last], rows)


def show(table: Table) -> str:
    """Return a table of a report in Markdown, below its title."""
    return f"{table.title}:\n\n{render_markdown_table(table)}"


def rate_table(cells: Iterable[CellResult], task: str) -> str:
    """Return validation scores by method and learning rate, with runs at chance."""
    methods: dict[str, list[CellResult]] = {}
    for result in cells:
        if result.cell.task == task:
            methods.setdefault(result.cell.method, []).append(result)
    rows = []
    for method, own in methods.items():
        runs = [rate_of(result) for result in own for _ in range(result.n)]
        curve = rate_curve(runs, np.concatenate([result.val for result in own]), tolerance=WIDE)
        texts = []
        for result in own:
            text = bold(format_mean_sd(result.val), rate_of(result) == curve.best)
            chance = f"<br>at chance {result.at_chance}/{result.n}" if result.at_chance else ""
            texts.append(text + chance)
        rows.append([method, *texts, f"{curve.low:g} to {curve.high:g}"])
    head = [f"{rate_of(result):g}" for result in next(iter(methods.values()))]
    return markdown_table(["validation", *head, f"within {WIDE:g} points"], rows)


def mean_bias_ratio(steps: int) -> float:
    """Return the mean analytic bias ratio over a run, weighted by the learning rate."""
    weights = [linear_warmup(step, total=steps, warmup=0.1) for step in range(steps)]
    ratios = [analytic_bias_ratio(step + 1, (0.9, 0.999)) for step in range(steps)]
    return float(np.average(ratios, weights=weights))


def rate_of(result: CellResult) -> float:
    """Return the learning rate of a cell whose sweep sets it."""
    return float(str(result.cell.params["optimizer.lr"]))


def titles(tasks: Iterable[str]) -> list[str]:
    """Return the names of tasks in tables."""
    return [task_title(task, "mini") for task in tasks]
