"""Results of the analyses as sections of a report, and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stablebert.report.analyses.base import Basis, Findings, numbers_csv
from stablebert.report.analyses.registry import ANALYSES
from stablebert.report.files import save_text
from stablebert.report.render import Document, render_text
from stablebert.text import escape_controls


@dataclass(frozen=True, kw_only=True)
class Sections:
    """Results of the analyses of one report."""

    findings: dict[str, Findings]
    """Results by name of the analysis."""
    obstacles: dict[str, str]
    """Reasons why analyses do not apply, by name."""

    def document(self, key: str, *, title: str) -> Document:
        """Return the results of an analysis as a document.

        Args:
            key: Name of the analysis, which has findings.
            title: Name of the report.
        """
        found = self.findings[key]
        return Document(title=f"{title}: {key}", tables=found.tables, caption=found.sentences)


def run_analyses(basis: Basis) -> Sections:
    """Run the analyses that apply to a report."""
    findings, obstacles = {}, {}
    for key, analysis in ANALYSES.items():
        if reason := analysis.obstacle(basis):
            obstacles[key] = reason
        else:
            findings[key] = analysis.analyze(basis)
    return Sections(findings=findings, obstacles=obstacles)


def save_sections(sections: Sections, basis: Basis, *, name: str, out: Path) -> None:
    """Write `<name>-<analysis>.csv` for each analysis that applies, and delete the others.

    Args:
        sections: Results of the analyses.
        basis: The cells of the report.
        name: Name of the report.
        out: Folder of the files.
    """
    for key in ANALYSES:
        file = out / f"{name}-{key}.csv"
        if key in sections.findings:
            save_text(file, numbers_csv(sections.findings[key].numbers, basis.cells))
        else:
            file.unlink(missing_ok=True)  # an earlier report may have left it


def render_sections(
    sections: Sections, requested: Sequence[str], *, name: str, file: Path
) -> list[str]:
    """Return the requested results as plain text, or a line that says which there are.

    Args:
        sections: Results of the analyses.
        requested: Names of the analyses to print.
        name: Name of the report.
        file: Markdown file that has all results.
    """
    if requested:
        return [
            render_text(sections.document(key, title=name))
            if key in sections.findings
            else f"{key} does not apply: {sections.obstacles[key]}\n"
            for key in requested
        ]
    if not sections.findings:
        return ["No further analysis applies to these runs.\n"]
    return [
        f"Analyses of these runs: {', '.join(sections.findings)}; print them with --analysis "
        f"NAME,... or --analysis all, or see {escape_controls(str(file))}.\n"
    ]
