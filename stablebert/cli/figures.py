"""The option --figures of `report`: files of a report's figures."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from stablebert.report.figures.draw import draw_figures
from stablebert.report.figures.save import FORMATS, Format, delete_stale_figures, save_figures
from stablebert.report.sweep_report import SweepReport
from stablebert.text import escape_controls


def add_figures_option(parser: ArgumentParser) -> None:
    """Add the option --figures to a parser."""
    parser.add_argument(
        "--figures",
        type=_formats,
        default=(),
        metavar="FORMAT,...",
        help=f"draw the figures and write them as {', '.join(FORMATS)}, or all; needs pip install "
        "'stablebert[report]'",
    )


def write_figures(report: SweepReport, out: Path, formats: Sequence[Format]) -> str:
    """Draw and write the figures of a report; return a line per kind of figure.

    Files of figures that the report no longer has are deleted.

    Raises:
        ReportError: If a package of the extra is not installed.
    """
    drawings = draw_figures(report)
    delete_stale_figures(drawings, report.name, out)
    lines = []
    for name, figures in drawings.figures.items():
        files = save_figures(figures, report.name, out, formats)
        lines.append(f"{name}: {', '.join(map(str, files))}")
    lines += [f"{name} not drawn: {reason}" for name, reason in drawings.obstacles.items()]
    return "\n".join(map(escape_controls, ["Figures", *lines])) + "\n"


def _formats(text: str) -> tuple[Format, ...]:
    """Return the formats in a text such as `svg,pdf`; `all` stands for every format."""
    names = [name.strip() for name in text.split(",")]
    if "all" in names:
        return FORMATS
    for name in names:
        if name not in FORMATS:
            raise ArgumentTypeError(
                f"unknown format {name!r}; choose from {', '.join(FORMATS)}, all"
            )
    return tuple(name for name in FORMATS if name in names)
