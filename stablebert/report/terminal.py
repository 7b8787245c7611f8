"""A report as it is read in a terminal: short, and fitted to its width; the files have the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stablebert.report.caption import describe_differences, describe_metrics
from stablebert.report.cells import Cell, task_title
from stablebert.report.columns import wrap
from stablebert.report.compare import AnalyzedCell
from stablebert.report.join import CellResult
from stablebert.report.layout import NARROWEST, fit_table
from stablebert.report.paper import paper_score, reference_model
from stablebert.report.render import Entry, Table
from stablebert.report.sentences import summarize_contrasts, summarize_failures
from stablebert.report.sweep_report import SweepReport
from stablebert.report.tables import (
    Block,
    format_mean_sd,
    has_paper_layout,
    label_entries,
    paper_blocks,
    row_labels,
)
from stablebert.runs.seeds import format_seeds
from stablebert.text import count_of, escape_controls

_MOST_SENTENCES = 8
"""Maximum number of sentences on comparisons; a search has one per setting."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Commands that a report recommends."""

    full: str
    """Command that prints everything."""
    grid: str
    """Command that trains the missing runs."""


def render_terminal(report: SweepReport, out: Path, *, width: int, advice: Advice) -> str:
    """Return the scores of a report, conclusions, and counts of what the files say in full.

    Args:
        report: The report.
        out: Folder of its files.
        width: Number of columns of the terminal.
        advice: Commands to mention.
    """
    width = max(width, NARROWEST)
    rows = [row for row in report.rows if row.result.n]
    if not rows:
        return f"{escape_controls(report.name)}: no runs yet\n{_warnings(report, width, advice)}\n"
    tables = _paper_tables(rows, report.name) if has_paper_layout(report.basis.cells) else []
    tables = tables or [_list_table(rows)]
    parts = [
        wrap(f"{report.name}: {_scores_and_seeds(report, rows)}", width),
        *(fit_table(table, width) for table in tables),
        "\n".join(wrap(line, width) for line in _legend(rows, tables)),
        "\n".join(wrap(line, width) for line in _conclusions(report, rows)),
        "\n".join([_warnings(report, width, advice), *_analyses(report, width)]).strip(),
        wrap(_files(report, out), width),
        *_requested_analyses(report, width),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# ---------------------------------------------------------------- tables


_FAILED, _AT_CHANCE, _RUNS, _PRUNED, _PAPER = "failed", "at chance", "runs", "selected", "paper"


def _paper_tables(rows: Sequence[AnalyzedCell], name: str) -> list[Table]:
    """Return the tables of the paper's layout, with its numbers below ours."""
    reference = reference_model([row.cell for row in rows])
    return [_paper_table(block, name, reference) for block in paper_blocks(rows)]


def _paper_table(block: Block, name: str, reference: str | None) -> Table:
    body = []
    for names, members in block.rows:
        if not any(members):
            continue
        body.append([*(Entry(text=x) for x in names), *map(_score_entry, members)])
        below = {
            kind: [_count(row.result, kind) if row else "" for row in members]
            for kind in (_FAILED, _AT_CHANCE, _RUNS, _PRUNED)
        }
        numbers = [
            paper_score(row.cell, table=name, reference=reference) if row else None
            for row in members
        ]
        below[_PAPER] = [number.text if number else "" for number in numbers]
        blanks = [""] * (len(names) - 1)
        for kind, texts in below.items():
            if any(texts):
                body.append([Entry(text=x) for x in [*blanks, f"  {kind}", *texts]])
    (scale,) = {row.cell.scale for _, members in block.rows for row in members if row}
    heads = [task_title(task, scale) for task in block.tasks]
    return Table(title="", head=[*block.labels, *heads], rows=body, labels=len(block.labels))


def _score_entry(row: AnalyzedCell | None) -> Entry:
    return Entry(text=format_mean_sd(row.result.test), marked=row.marked) if row else Entry(text="")


def _count(result: CellResult, kind: str) -> str:
    """Return a number of runs as `3/20`, empty if there is nothing to say."""
    part, total = {
        _FAILED: (result.failed, result.n),
        _AT_CHANCE: (result.at_chance, result.n),
        _RUNS: (result.n if result.missing else 0, len(result.cell.seeds)),
        _PRUNED: (result.n if result.pruned else 0, result.n),
    }[kind]
    return f"{part}/{total}" if part else ""


def _list_table(rows: Sequence[AnalyzedCell]) -> Table:
    """Return a table with one row per cell, task by task, for sweeps of other parameters."""
    labels = row_labels([row.cell for row in rows])
    tasks = [*dict.fromkeys(row.cell.task for row in rows)]
    rows = sorted(rows, key=lambda row: tasks.index(row.cell.task))
    kinds = [
        kind
        for kind in (_FAILED, _AT_CHANCE, _RUNS, _PRUNED)
        if any(_count(row.result, kind) for row in rows)
    ]
    body = [
        [
            *label_entries(row.cell, labels),
            Entry(text=format_mean_sd(row.result.val), marked=row.marked),
            Entry(text=format_mean_sd(row.result.test)),
            *(Entry(text=_count(row.result, kind)) for kind in kinds),
        ]
        for row in rows
    ]
    names = [key.rpartition(".")[2] for key in labels]
    head = ["task", *(names if len({*names}) == len(names) else labels)]
    head += ["validation", "test", *kinds]
    return Table(title="", head=head, rows=body, labels=1 + len(labels))


# ---------------------------------------------------------------- text


def _scores_and_seeds(report: SweepReport, rows: Sequence[AnalyzedCell]) -> str:
    score = "test score" if has_paper_layout(report.basis.cells) else "scores"
    seeds = format_seeds({x for row in rows for x in row.cell.seeds})
    return f"{score} x 100, mean ± standard deviation over seeds {seeds}"


def _legend(rows: Sequence[AnalyzedCell], tables: Sequence[Table]) -> Iterator[str]:
    """Yield the meaning of what the tables show, and of nothing else."""
    cells = [row.cell for row in rows]
    yield f"{describe_metrics(cells)}."
    texts = {entry.text.strip() for table in tables for line in table.rows for entry in line}
    texts |= {head for table in tables for head in table.head}
    if any(row.marked for row in rows):
        yield "*: best of its task, or not significantly worse."
    meanings = {
        _FAILED: "at the end no better than the majority class",
        _AT_CHANCE: "at the end not significantly better than chance",
        _RUNS: "not all have finished",
        _PRUNED: "by validation (seed pruning)",
        _PAPER: _describe_paper(cells),
    }
    shown = [f"{kind}: {meaning}" for kind, meaning in meanings.items() if kind in texts]
    if shown:
        yield f"{'; '.join(shown)}."


def _describe_paper(cells: Sequence[Cell]) -> str:
    reference = reference_model(cells)
    data = "the real tasks" if {cell.scale for cell in cells} == {"demo"} else "the same tasks"
    return f"{f'{reference}-large' if reference else 'the same model'} on {data}"


def _conclusions(report: SweepReport, rows: Sequence[AnalyzedCell]) -> list[str]:
    labels = row_labels(report.basis.cells)
    contrasts = summarize_contrasts(rows, labels)
    if len(contrasts) > _MOST_SENTENCES:
        lines = [line for line in contrasts if "significantly" in line][:_MOST_SENTENCES]
    else:
        lines = [*contrasts]
    if more := len(contrasts) - len(lines):
        lines.append(f"{count_of(more, 'more comparison')} in the files.")
    if has_paper_layout(report.basis.cells):  # the table of a search has these numbers
        lines += summarize_failures(rows, labels)
    return [*lines, *describe_differences(rows)]


def _warnings(report: SweepReport, width: int, advice: Advice) -> str:
    """Return counts of what is missing, not counted, or skipped, and the commands for them."""
    results, lines = report.basis.results, []
    if missing := sum(len(result.missing) for result in results):
        total = count_of(sum(len(result.cell.seeds) for result in results), "run")
        lines += [f"missing: {missing} of {total}; train them with", f"    {advice.grid}"]
    others = {
        "similar configuration": len(report.join_result.similar),
        "other record": report.join_result.unrelated,
    }
    skipped = sum(note.startswith("skipped: ") for note in report.notes)
    texts = {
        "not counted: ": ", ".join(count_of(n, noun) for noun, n in others.items() if n),
        "skipped: ": count_of(skipped, "file") if skipped else "",
        "": count_of(len(report.notes) - skipped, "note") if len(report.notes) > skipped else "",
    }
    if parts := [f"{name}{text}" for name, text in texts.items() if text]:
        lines += [wrap(f"{'; '.join(parts)}; list them with", width), f"    {advice.full}"]
    return "\n".join(lines)


def _analyses(report: SweepReport, width: int) -> list[str]:
    if report.basis.request.names or not report.sections.findings:
        return []
    names = ", ".join(report.sections.findings)
    return [wrap(f"analyses: {names}; print them with --analysis NAME,...", width)]


def _files(report: SweepReport, out: Path) -> str:
    return f"All numbers, tests, and definitions: {out / report.name}.md, .csv, .tex; or --full"


def _requested_analyses(report: SweepReport, width: int) -> list[str]:
    """Return the analyses that the request names, with all of their tables and sentences."""
    texts = []
    for key in report.basis.request.names:
        if key not in report.sections.findings:
            texts.append(wrap(f"{key} does not apply: {report.sections.obstacles[key]}", width))
            continue
        found = report.sections.findings[key]
        texts.append(f"{escape_controls(report.name)}: {key}")
        for table in found.tables:
            texts.append(f"{wrap(table.title, width)}\n\n{fit_table(table, width)}")
        texts.append("\n".join(wrap(line, width) for line in found.sentences))
    return texts
