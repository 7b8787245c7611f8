"""Results of the analyses as sections of a report, and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stablebert.report.analyses.base import Basis, numbers_csv
from stablebert.report.analyses.registry import ANALYSES
from stablebert.report.files import save_text
from stablebert.report.render import Document, render_text
from stablebert.text import escape_controls


@dataclass(frozen=True, kw_only=True)
class Sections:
    """Results of the analyses of one report."""

    documents: dict[str, Document]
    """Results by name of the analysis."""
    obstacles: dict[str, str]
    """Reasons why analyses do not apply, by name."""


def run_analyses(basis: Basis, *, name: str, out: Path) -> Sections:
    """Run the analyses that apply to a report, and write `<name>-<analysis>.csv` for each.

    Deletes such files of analyses that do not apply, which an earlier report has left.

    Args:
        basis: The cells of the report.
        name: Name of the report.
        out: Folder of the files.
    """
    documents, obstacles = {}, {}
    for key, analysis in ANALYSES.items():
        file = out / f"{name}-{key}.csv"
        if reason := analysis.obstacle(basis):
            obstacles[key] = reason
            file.unlink(missing_ok=True)
        else:
            found = analysis.analyze(basis)
            title = f"{name}: {key}"
            documents[key] = Document(title=title, tables=found.tables, caption=found.sentences)
            save_text(file, numbers_csv(found.numbers, basis.cells))
    return Sections(documents=documents, obstacles=obstacles)


def render_sections(sections: Sections, requested: Sequence[str], *, file: Path) -> list[str]:
    """Return the requested results as plain text, or a line that says which there are.

    Args:
        sections: Results of the analyses.
        requested: Names of the analyses to print.
        file: Markdown file that has all results.
    """
    if requested:
        return [
            render_text(sections.documents[name])
            if name in sections.documents
            else f"{name} does not apply: {sections.obstacles[name]}\n"
            for name in requested
        ]
    if not sections.documents:
        return ["No further analysis applies to these runs.\n"]
    return [
        f"Analyses of these runs: {', '.join(sections.documents)}; print them with --analysis "
        f"NAME,... or --analysis all, or see {escape_controls(str(file))}.\n"
    ]
