"""Table 3: the data of our runs, next to the paper's."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stablebert.report.cells import is_glue, task_title
from stablebert.report.columns import wrap
from stablebert.report.files import csv_text, save_text
from stablebert.report.layout import fit_table
from stablebert.report.paper import differs_from_printed, paper_data
from stablebert.report.render import Document, Entry, Table, render_text, save_document
from stablebert.runs.record import RunRecord
from stablebert.tasks import TASKS
from stablebert.text import count_of

_ROWS = ("train_rows", "val_rows", "test_rows")
COLUMNS = (*_ROWS, "majority_val", "majority_test")
Facts = tuple[float, ...]
"""Values of `COLUMNS`: rows of the splits, majority scores x 100."""


def write_table3(
    records: Iterable[RunRecord], problems: Sequence[str], out: Path, *, width: int | None = None
) -> str:
    """Write `table3.md`, `.csv`, and `.tex`, and return the table as plain text.

    A 1,000-sample task trains on 1,000 rows (the paper's Section 3) and shares its other splits
    with the full task.

    Args:
        records: Finished runs of any sweeps.
        problems: Files that could not be read.
        out: Folder of the files.
        width: Number of columns that the text must fit into, with the paper's numbers below ours;
            None for all of them in a line.
    """
    facts = _facts_by_task(records)
    generated_tasks = [key for key in sorted(facts) if key[0]]
    body, lines, several = [], [], []
    for scale, task in [*(("", task) for task in TASKS), *generated_tasks]:
        title = task_title(task, scale)
        paper_values = {column: _paper_value(task, column) for column in COLUMNS}
        variants = facts.get((scale, task), Counter())
        for ours in sorted(variants) or [()]:
            # a generated task need not have the numbers of the real one
            differing = [] if scale else _differing_columns(ours, paper_values)
            body.append(_entries(title, ours, paper_values, differing))
            lines.append(_csv_line(title, ours, paper_values, differing))
        if len(variants) > 1:
            several.append(title)
    head = ["task"]
    for column in COLUMNS:
        head += [column.replace("_", " "), "paper"]
    table = Table(title="Data", head=head, rows=body, labels=1)
    caption = [*_CAPTION]
    if several:
        caption.append(f"{', '.join(several)}: the records used several data sets, one row each")
    skipped = [f"skipped: {problem}" for problem in problems]
    document = Document(title="table3", tables=[table], caption=[*caption, *skipped])
    save_document(document, out)
    save_text(out / "table3.csv", csv_text(list(lines[0]), lines))
    if width is None:
        return render_text(document)
    if skipped:
        caption.append(f"skipped: {count_of(len(skipped), 'file')}; --full lists them")
    legend = "\n".join(wrap(line, width) for line in caption)
    return f"{fit_table(_with_paper_below(table), width)}\n\n{legend}\n"


def _with_paper_below(table: Table) -> Table:
    """Return a table with the paper's numbers below ours; a demo task has none to compare with."""
    own_titles = {task.title for task in TASKS.values() if task.own}
    rows = []
    for title, *entries in table.rows:
        ours, paper = entries[::2], entries[1::2]
        blank = Entry(text="")
        if has_runs := any(entry.text != "-" for entry in ours):
            rows.append([title, blank, *ours])
        if not title.text.startswith("demo-") and title.text not in own_titles:
            rows.append([blank if has_runs else title, Entry(text="paper"), *paper])
    return Table(title=table.title, head=["task", "", *table.head[1::2]], rows=rows, labels=2)


_CAPTION = (
    "Rows of each split, and score x 100 of the majority class, in our runs and in the paper's "
    "Table 3. Bold or *: does not round to the number that the paper prints.",
    "The released code's validation and test halves have these rows: RTE 138/139, MRPC 203/205, "
    "STS-B 722/778, CoLA 521/522; the paper prints different numbers. Its SST-2 majority on test "
    "(49.1) is that of the 872 dev rows, not of 1.8k rows.",
    "Tasks (1k): 1k training rows (the paper's Section 3); validation and test as in the full "
    "task.",
)


def _facts_by_task(records: Iterable[RunRecord]) -> dict[tuple[str, str], Counter[Facts]]:
    """Count the runs of each data set, by (`demo` or empty, task)."""
    facts: dict[tuple[str, str], Counter[Facts]] = {}
    for record in records:
        rows = [float(record.splits[name]["rows"]) for name in ("train", "val", "test")]
        majority = [round(100 * record.majority[name], 3) for name in ("val", "test")]
        key = ("demo" if record.scale == "demo" else "", record.task)
        facts.setdefault(key, Counter())[(*rows, *majority)] += 1
    return facts


def _paper_value(task: str, column: str) -> str:
    """Return the paper's number for a task's data, empty if it prints none."""
    if not is_glue(task):
        return ""
    if task.endswith("_1k") and column == "train_rows":
        return "1k" if paper_data() else ""
    number = paper_data().get((task.removesuffix("_1k"), column))
    return number.value if number else ""


def _differing_columns(ours: Facts, paper_values: Mapping[str, str]) -> list[str]:
    return [
        column
        for column, value in zip(COLUMNS, ours, strict=False)  # no values without a run
        if paper_values[column] and differs_from_printed(value, paper_values[column])
    ]


def _entries(
    title: str, ours: Facts, paper_values: Mapping[str, str], differing: Sequence[str]
) -> list[Entry]:
    entries = [Entry(text=title)]
    for i, column in enumerate(COLUMNS):
        text = f"{ours[i]:,.0f}" if ours and column in _ROWS else f"{ours[i]:.1f}" if ours else "-"
        entries.append(Entry(text=text, marked=column in differing))
        entries.append(Entry(text=paper_values[column] or "-"))
    return entries


def _csv_line(
    title: str, ours: Facts, paper_values: Mapping[str, str], differing: Sequence[str]
) -> dict[str, str]:
    line = {"task": title, "differs": " ".join(differing)}
    for i, column in enumerate(COLUMNS):
        line[column] = str(ours[i]) if ours else ""
        line[f"paper_{column}"] = paper_values[column]
    return line
