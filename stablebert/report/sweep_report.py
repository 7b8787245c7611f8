"""The report of a sweep: tables, statistics, caption, and CSV."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from stablebert.report.analyses.base import Basis, Request
from stablebert.report.analyses.noise import NOISE
from stablebert.report.analyses.sections import render_sections, run_analyses
from stablebert.report.caption import caption_lines
from stablebert.report.cells import Cell
from stablebert.report.compare import analyze_cells
from stablebert.report.export import cells_csv, trials_csv
from stablebert.report.files import save_text
from stablebert.report.join import join_records
from stablebert.report.records import ReportError
from stablebert.report.render import Document, render_text, save_document
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


def write_report(
    cells: Sequence[Cell],
    records: Iterable[RunRecord],
    *,
    name: str,
    out: Path,
    notes: Sequence[str] = (),
    request: Request | None = None,
) -> str:
    """Write the report of a sweep as Markdown, LaTeX, and CSV, and return it as plain text.

    Writes `<name>.md`, `<name>.tex`, `<name>.csv` (one line per cell), `<name>-trials.csv` (the
    curves of the paper's Figs. 4 and 12), and `<name>-<analysis>.csv` (one line per number).

    Args:
        cells: Cells that the sweep expects.
        records: All records, of this sweep or not.
        name: Name of the sweep.
        out: Folder of the files.
        notes: Further lines of the caption, such as files that could not be read.
        request: Analyses to print and their options; by default, a line says which there are.

    Raises:
        ReportError: If there are no cells, or runs of one cell differ in precision or packing.
    """
    if not cells:
        raise ReportError(f"{name}: the sweep has no cells")
    join_result = join_records(cells, records)
    paper_layout = has_paper_layout(cells)
    rows = analyze_cells(join_result.results, mark_by="test" if paper_layout else "val")
    scores = paper_layout_tables(rows, name) if paper_layout else [list_table(rows)]
    document = Document(
        title=name,
        tables=[*scores, distribution_table(rows), *comparison_tables(rows)],
        caption=[
            *summarize_findings(rows, row_labels(cells)),
            *caption_lines(rows, join_result),
            *notes,
        ],
    )
    basis = Basis(rows=rows, request=request or Request())
    sections = run_analyses(basis, name=name, out=out)
    save_document(document, out, appendices=list(sections.documents.values()))
    predictions = basis.cell_predictions if NOISE.name in sections.documents else ()
    save_text(out / f"{name}.csv", cells_csv(rows, name, predictions))
    save_text(out / f"{name}-trials.csv", trials_csv(rows))
    texts = render_sections(sections, basis.request.names, file=out / f"{name}.md")
    return "\n".join([render_text(document), *texts])
