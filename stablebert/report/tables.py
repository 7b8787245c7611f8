"""Tables of a sweep's report: scores, distributions over seeds, comparisons. Scores are x 100."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import isnan

from stablebert.report.cells import (
    MODEL,
    Cell,
    is_glue,
    parameter_text,
    task_title,
    varying_parameters,
)
from stablebert.report.compare import AnalyzedCell, Comparison
from stablebert.report.join import CellResult
from stablebert.report.paper import paper_score, reference_model
from stablebert.report.render import Entry, Table
from stablebert.report.statistics import scores as stats

_SMALL, _LARGE = ("rte", "mrpc", "stsb", "cola"), ("sst2", "qnli", "qqp", "mnli")
BLOCKS = (_SMALL, _LARGE, *(tuple(f"{task}_1k" for task in block) for block in (_SMALL, _LARGE)))
"""Tasks shown side by side, as in the paper's Table 1."""
TRIALS = 5
"""Number of runs of which validation picks one; the paper's Section 4 advises 5 to 10."""
EMPTY = Entry()


def has_paper_layout(cells: Sequence[Cell]) -> bool:
    """Return whether cells differ in nothing but task, method, length, and model."""
    return set(varying_parameters(cells)) <= {MODEL}


def row_labels(cells: Sequence[Cell]) -> list[str]:
    """Return the parameters that distinguish cells of the same task."""
    own = [key for key in ("method", "length") if len({parameter_text(c, key) for c in cells}) > 1]
    return [*own, *varying_parameters(cells)]


# ---------------------------------------------------------------- scores


@dataclass(frozen=True, kw_only=True)
class Block:
    """The cells of tasks shown side by side, in the paper's layout."""

    tasks: Sequence[str]
    labels: Sequence[str]
    """Heads of the columns that name a row: method and length, and the model where it varies."""
    rows: Sequence[tuple[Sequence[str], Sequence[AnalyzedCell | None]]]
    """Names of a row, and its cells by task; None where a task lacks such a cell."""


def paper_blocks(rows: Sequence[AnalyzedCell]) -> list[Block]:
    """Return one block per group of tasks, with (model,) method, and length as rows."""
    cells = [row.cell for row in rows]
    by_key = {
        (c.task, parameter_text(c, MODEL), c.method, c.length): row
        for c, row in zip(cells, rows, strict=True)
    }
    models = dict.fromkeys(parameter_text(c, MODEL) for c in cells)
    methods = dict.fromkeys(c.method for c in cells)
    lengths = sorted({c.length for c in cells})  # 3epochs before longer
    combinations = {key[1:] for key in by_key}
    row_keys = [key for key in product(models, methods, lengths) if key in combinations]
    first = 0 if MODEL in varying_parameters(cells) else 1
    return [
        Block(
            tasks=tasks,
            labels=("model", "method", "length")[first:],
            rows=[(key[first:], [by_key.get((task, *key)) for task in tasks]) for key in row_keys],
        )
        for tasks in _blocks_of_tasks(cells)
    ]


def paper_layout_tables(rows: Sequence[AnalyzedCell], name: str) -> list[Table]:
    """Return one table per block of tasks, with (model,) method, and length as rows.

    To the right of each task of the paper is a column with the paper's numbers.

    Args:
        rows: All cells of the report.
        name: Name of the report, such as `table1`.
    """
    cells = [row.cell for row in rows]
    scale, reference = cells[0].scale, reference_model(cells)
    tables = []
    for block in paper_blocks(rows):
        body = []
        for names, members in block.rows:
            entries = [Entry(text=text) for text in names]
            for task, row in zip(block.tasks, members, strict=True):
                number = row and paper_score(row.cell, table=name, reference=reference)
                entries.append(_test_entry(row.result, row.marked) if row else EMPTY)
                if is_glue(task):
                    entries.append(Entry(text=number.text) if number else EMPTY)
            body.append(entries)
        heads = (text for task in block.tasks for text in _heads(task, scale, reference))
        titles = ", ".join(task_title(task, scale) for task in block.tasks)
        tables.append(
            Table(
                title=f"Test score x 100: {titles}",
                head=[*block.labels, *heads],
                rows=body,
                labels=len(block.labels),
            )
        )
    return tables


def _blocks_of_tasks(cells: Sequence[Cell]) -> list[list[str]]:
    """Group the tasks of cells into the paper's blocks; other tasks form a last block."""
    tasks = dict.fromkeys(cell.task for cell in cells)
    other_tasks = [task for task in tasks if not any(task in block for block in BLOCKS)]
    blocks = [[task for task in block if task in tasks] for block in (*BLOCKS, other_tasks)]
    return [block for block in blocks if block]


def _heads(task: str, scale: str, reference: str | None) -> tuple[str, ...]:
    """Return the heads of a task's column and of the paper's next to it, if there is one."""
    title, real_title = task_title(task, scale), task_title(task, "")
    if not is_glue(task):
        return (title,)
    if title != real_title:
        return title, f"paper (real {real_title}, {reference}-large)"
    return title, f"paper ({reference}-large)" if reference else "paper"


def list_table(rows: Sequence[AnalyzedCell]) -> Table:
    """Return a table with one row per cell, for sweeps of other parameters.

    Its marks are on validation scores, which decide such a search.
    """
    labels = row_labels([row.cell for row in rows])
    body = [
        [
            *label_entries(row.cell, labels),
            Entry(text=format_mean_sd(row.result.val), marked=row.marked),
            _test_entry(row.result, marked=False),
        ]
        for row in rows
    ]
    head = ["task", *labels, "best validation", "test"]
    return Table(title="Score x 100", head=head, rows=body, labels=1 + len(labels))


def format_mean_sd(scores: stats.FloatArray) -> str:
    """Format mean ± sample standard deviation; a single run has no deviation."""
    if not len(scores):
        return "-"
    d = stats.describe_scores(scores)
    return f"{d.mean:.1f}" if isnan(d.sd) else f"{d.mean:.1f} ± {d.sd:.1f}"


def _test_entry(result: CellResult, marked: bool) -> Entry:
    notes = []
    if result.failed:
        notes.append(f"failed {result.failed}/{result.n}")
    if result.at_chance:
        notes.append(f"at chance {result.at_chance}/{result.n}")
    if result.n and result.missing:
        notes.append(f"n={result.n} of {len(result.cell.seeds)}")
    if result.pruned:
        notes.append("pruned by validation")
    return Entry(text=format_mean_sd(result.test), marked=marked, notes=tuple(notes))


def label_entries(cell: Cell, labels: Sequence[str]) -> list[Entry]:
    """Return the first entries of a cell's row: task and distinguishing parameters."""
    title = task_title(cell.task, cell.scale)
    return [Entry(text=title), *(Entry(text=parameter_text(cell, key)) for key in labels)]


# ---------------------------------------------------------------- statistics


def distribution_table(rows: Sequence[AnalyzedCell]) -> Table:
    """Return a table of every cell's distribution over seeds."""
    labels = row_labels([row.cell for row in rows])
    head = ["task", *labels, "n", "failed", "at chance", "median", "min", "max", "IQM [95% CI]"]
    head += [f"val, best of {TRIALS}", f"test, best of {TRIALS}", "config"]
    body = [
        [
            *label_entries(row.cell, labels),
            *(Entry(text=text) for text in _distribution(row.result)),
            Entry(text=row.cell.config_id),
        ]
        for row in rows
    ]
    title = "Distribution over seeds (test score x 100)"
    return Table(title=title, head=head, rows=body, labels=1 + len(labels))


def _distribution(result: CellResult) -> list[str]:
    if not result.n:
        return ["0", *["-"] * 8]
    d, iqm, best = stats.describe_scores(result.test), iqm_of(result), best_of_trials(result)
    return [
        str(result.n),
        f"{result.failed}/{result.n}",
        f"{result.at_chance}/{result.n}",
        *(f"{x:.1f}" for x in (d.median, d.min, d.max)),
        format_interval(iqm) if iqm else "-",
        *(f"{x:.1f}" for x in best or ()),
        *(() if best else ("-", "-")),
    ]


def iqm_of(result: CellResult) -> stats.Interval | None:
    """Return the interquartile mean of a cell's test scores, None if it has too few runs."""
    enough = result.n >= stats.IQM_MIN_RUNS
    return stats.interquartile_mean(result.test, seed=0) if enough else None


def best_of_trials(result: CellResult) -> tuple[float, float] | None:
    """Return the expected validation and test score of the best of `TRIALS` runs by validation.

    None if the cell has fewer than `TRIALS` runs.
    """
    if result.n < TRIALS:
        return None
    val, _ = stats.expected_best_of_k(result.val, result.val, TRIALS)
    test, _ = stats.expected_best_of_k(result.val, result.test, TRIALS)
    return float(val[0]), float(test[0])


def comparison_tables(rows: Sequence[AnalyzedCell]) -> list[Table]:
    """Return a table of every comparison with a baseline; no table without comparisons."""
    labels = row_labels([row.cell for row in rows])
    head = ["Δ mean [95% CI]", "p Student", "p Welch", "p Holm", "P(better)", "sd ratio", "p sd"]
    head += ["p sd Holm", "detectable Δ"]
    body = []
    for row in rows:
        if isinstance(row.comparison, Comparison):
            entries = [Entry(text=text) for text in _comparison_texts(row.comparison)]
        elif row.comparison:
            reason = Entry(notes=(row.comparison.reason,))
            entries = [reason, *[EMPTY] * (len(head) - 1)]
        else:
            continue
        body.append([*label_entries(row.cell, labels), *entries])
    if not body:
        return []
    return [
        Table(
            title=f"Compared with {baseline_names(rows)} (test score x 100)",
            head=["task", *labels, *head],
            rows=body,
            labels=1 + len(labels),
        )
    ]


def _comparison_texts(c: Comparison) -> list[str]:
    return [
        format_interval(c.difference, "+"),
        *(format_p(p) for p in (c.p_student, c.p_welch, c.p_holm)),
        f"{c.improvement:.2f}",
        format_ratio(c.sd_ratio),
        *(format_p(p) for p in (c.p_sd, c.p_sd_holm)),
        f"{c.detectable:.1f}",
    ]


def baseline_names(rows: Sequence[AnalyzedCell]) -> str:
    """Return the baselines of all comparisons: `standard 3epochs`."""
    baselines = [row.comparison.baseline for row in rows if row.comparison]
    return " or ".join(dict.fromkeys(f"{cell.method} {cell.length}" for cell in baselines))


def format_interval(x: stats.Interval, sign: str = "") -> str:
    """Format an estimate with its interval: `1.2 [0.3, 2.1]`.

    Args:
        x: The estimate.
        sign: `+` to show the sign of positive numbers.
    """
    return f"{x.value:{sign}.1f} [{x.low:{sign}.1f}, {x.high:{sign}.1f}]"


def format_p(p: float) -> str:
    """Format a p-value: `.034`, or `<.001`."""
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def format_ratio(ratio: float) -> str:
    """Format a ratio or correlation: `1.25`, or `-` for NaN."""
    return "-" if isnan(ratio) else f"{ratio:.2f}"
