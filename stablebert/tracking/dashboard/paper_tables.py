"""The paper's tables in Markdown."""

from collections.abc import Iterable, Sequence

from stablebert.report.paper import PaperNumber, paper_numbers


def table_names() -> list[str]:
    """Return the tables with numbers in `results/paper.csv`: `table1`, ..."""
    return sorted({f"table{entry.table}" for entry in paper_numbers()})


def entries_of(table: str) -> list[PaperNumber]:
    """Return the printed numbers of a table."""
    return [entry for entry in paper_numbers() if f"table{entry.table}" == table]


def to_markdown(table: str, task: str | None = None) -> str:
    """Return a table of the paper as printed: the same rows, one column per task.

    Args:
        table: One of `table_names()`.
        task: The only column to include; None includes all.
    """
    entries = [entry for entry in entries_of(table) if task in (None, entry.task)]
    columns = list(dict.fromkeys(entry.task for entry in entries))
    labels = ["row", *(key for key in ("length", "statistic") if _splits_rows(entries, key))]
    rows: dict[tuple[str, ...], dict[str, PaperNumber]] = {}
    for entry in entries:
        label = tuple(getattr(entry, key) for key in labels)
        rows.setdefault(label, {})[entry.task] = entry
    lines = [["" if key == "row" else key for key in labels] + columns]
    lines += [["---"] * (len(labels) + len(columns))]
    for label, cells in rows.items():
        lines.append([*label, *(cells[c].text if c in cells else "-" for c in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def notes_on(entries: Sequence[PaperNumber]) -> list[str]:
    """Return the notes on a table's numbers, each preceded by its number if there is only one."""
    numbers: dict[str, list[PaperNumber]] = {}
    for entry in entries:
        if entry.note:
            numbers.setdefault(entry.note, []).append(entry)
    return [
        note if len(group) > 1 else f"{group[0].row}, {group[0].task}, {group[0].text}: {note}"
        for note, group in numbers.items()
    ]


def _splits_rows(entries: Iterable[PaperNumber], key: str) -> bool:
    """Return whether some rows have the same name and differ in this key."""
    values: dict[str, set[str]] = {}
    for entry in entries:
        values.setdefault(entry.row, set()).add(getattr(entry, key))
    return any(len(group) > 1 for group in values.values())
