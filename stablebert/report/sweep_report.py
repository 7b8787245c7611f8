"""The report of a sweep: tables, statistics, caption, analyses, and their files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stablebert.report.analyses.base import Basis, Request
from stablebert.report.analyses.noise import NOISE
from stablebert.report.analyses.sections import (
    Sections,
    render_sections,
    run_analyses,
    save_sections,
)
from stablebert.report.caption import caption_lines
from stablebert.report.cells import Cell
from stablebert.report.compare import AnalyzedCell, analyze_cells
from stablebert.report.export import cells_csv, trials_csv
from stablebert.report.files import save_text
from stablebert.report.join import JoinedRecords, join_records
from stablebert.report.macros import macros_tex
from stablebert.report.records import ReportError
from stablebert.report.render import Document, Table, render_text, save_document
from stablebert.report.sentences import summarize_findings
from stablebert.report.tables import (
    comparison_tables,
    distribution_table,
    has_paper_layout,
    list_table,
    paper_layout_tables,
    row_labels,
)
from stablebert.runs.record import RunRecord


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """All results of a sweep, before they are printed, drawn, or written to files."""

    name: str
    basis: Basis
    join_result: JoinedRecords
    score_tables: Sequence[Table]
    """Scores in the paper's layout, or one row per cell."""
    sentences: Sequence[str]
    """Conclusions from the comparisons, and the numbers of failed runs and of runs at chance."""
    sections: Sections
    notes: Sequence[str]
    """Problems with files, assumptions, and selected settings."""

    @property
    def rows(self) -> Sequence[AnalyzedCell]:
        """All cells of the report."""
        return self.basis.rows

    def full_document(self) -> Document:
        """Return every table, conclusion, definition, and warning."""
        return Document(
            title=self.name,
            tables=[
                *self.score_tables,
                distribution_table(self.rows),
                *comparison_tables(self.rows),
            ],
            caption=[
                *self.sentences,
                *caption_lines(self.rows, self.join_result),
                *self.notes,
            ],
        )


def build_report(
    cells: Sequence[Cell],
    records: Iterable[RunRecord],
    *,
    name: str,
    notes: Sequence[str] = (),
    request: Request | None = None,
) -> SweepReport:
    """Compute the report of a sweep; only predictions are read, and no file is written.

    Args:
        cells: Cells that the sweep expects.
        records: All records, of this sweep or not.
        name: Name of the sweep.
        notes: Further lines of the caption, such as files that could not be read.
        request: Options of the analyses, and where predictions are.

    Raises:
        ReportError: If there are no cells, or runs of one cell differ in precision or packing.
    """
    if not cells:
        raise ReportError(f"{name}: the sweep has no cells")
    join_result = join_records(cells, records)
    paper_layout = has_paper_layout(cells)
    rows = analyze_cells(join_result.results, mark_by="test" if paper_layout else "val")
    basis = Basis(rows=rows, request=request or Request(), name=name)
    return SweepReport(
        name=name,
        basis=basis,
        join_result=join_result,
        score_tables=paper_layout_tables(rows, name) if paper_layout else [list_table(rows)],
        sentences=summarize_findings(rows, row_labels(cells)),
        sections=run_analyses(basis),
        notes=notes,
    )


def save_report(report: SweepReport, out: Path) -> None:
    """Write a report as Markdown, LaTeX, and CSV.

    Writes `<name>.md`, `<name>.tex`, `<name>.csv` (one line per cell), `<name>-trials.csv` (the
    curves of the paper's Figs. 4 and 12), `<name>-macros.tex` (one LaTeX macro per number), and
    `<name>-<analysis>.csv` (one line per number).
    """
    name, rows, sections = report.name, report.rows, report.sections
    appendices = [sections.document(key, title=name) for key in sections.findings]
    save_document(report.full_document(), out, appendices=appendices)
    save_sections(sections, report.basis, name=name, out=out)
    predictions = report.basis.cell_predictions if NOISE.name in sections.findings else ()
    save_text(out / f"{name}.csv", cells_csv(rows, name, predictions))
    save_text(out / f"{name}-trials.csv", trials_csv(rows))
    save_text(out / f"{name}-macros.tex", macros_tex({name: report}))


def render_report(report: SweepReport, out: Path) -> str:
    """Return a report as plain text, with the analyses that its request names.

    Args:
        report: The report.
        out: Folder of its files, which the text mentions.
    """
    file, requested = out / f"{report.name}.md", report.basis.request.names
    texts = render_sections(report.sections, requested, name=report.name, file=file)
    return "\n".join([render_text(report.full_document()), *texts])


def write_report(
    cells: Sequence[Cell],
    records: Iterable[RunRecord],
    *,
    name: str,
    out: Path,
    notes: Sequence[str] = (),
    request: Request | None = None,
) -> str:
    """Compute the report of a sweep, write its files, and return all of it as plain text.

    Raises:
        ReportError: As `build_report`.
    """
    report = build_report(cells, records, name=name, notes=notes, request=request)
    save_report(report, out)
    return render_report(report, out)
