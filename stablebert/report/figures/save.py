"""Files of figures: SVG, PDF, and PNG."""

from collections.abc import Iterable, Sequence
from glob import escape
from pathlib import Path
from typing import Literal, get_args

from stablebert.report.extra import require_packages
from stablebert.report.figures.base import Figure, Specification
from stablebert.report.figures.draw import Drawings
from stablebert.runs.files import write_bytes

Format = Literal["svg", "pdf", "png"]
FORMATS: tuple[Format, ...] = get_args(Format)
PNG_SCALE = 2.0
"""Pixels of a PNG file per pixel of the specification."""


def save_figures(
    figures: Iterable[Figure], name: str, out: Path, formats: Sequence[Format] = FORMATS
) -> list[Path]:
    """Write figures as `<name>-<figure>.<format>`, on a white background; return the files.

    Args:
        figures: Figures of one report.
        name: Name of the report.
        out: Folder of the files.
        formats: Formats to write.

    Raises:
        ReportError: If vl-convert or Altair is not installed.
    """
    require_packages("altair", "vl_convert", purpose="Figures")
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for figure in figures:
        svg = _render_svg(figure.specification)  # most of the time, so once for all formats
        for format_name in formats:
            files.append(out / f"{name}-{figure.name}.{format_name}")
            write_bytes(files[-1], _convert(svg, format_name))
    return files


def delete_stale_figures(drawings: Drawings, name: str, out: Path) -> None:
    """Delete the files of figures that an earlier report wrote and that this one does not have.

    Args:
        drawings: Figures of the report.
        name: Name of the report.
        out: Folder of the files.
    """
    kinds = {*drawings.figures, *drawings.obstacles}
    current = {f"{name}-{figure.name}" for figure in drawings.all_figures}
    for file in out.glob(f"{escape(name)}-*"):
        kind = file.stem.removeprefix(f"{name}-").partition("-")[0]
        if kind in kinds and file.suffix[1:] in FORMATS and file.stem not in current:
            file.unlink(missing_ok=True)


def render_figure(specification: Specification, format_name: Format) -> bytes:
    """Return the content of a figure's file."""
    return _convert(_render_svg(specification), format_name)


def _render_svg(specification: Specification) -> str:
    """Return a figure as SVG; the network is not used."""
    import vl_convert

    from stablebert.report.figures.style import LIGHT

    no_urls: list[str] = []
    svg: str = vl_convert.vegalite_to_svg(specification, config=LIGHT, allowed_base_urls=no_urls)
    return svg


def _convert(svg: str, format_name: Format) -> bytes:
    import vl_convert

    if format_name == "svg":
        return svg.encode()
    if format_name == "pdf":
        return vl_convert.svg_to_pdf(svg)
    return vl_convert.svg_to_png(svg, scale=PNG_SCALE)
