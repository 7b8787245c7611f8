"""The figures of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stablebert.report.extra import require_packages
from stablebert.report.figures.base import Figure, UnavailableError
from stablebert.report.sweep_report import SweepReport


@dataclass(frozen=True, kw_only=True)
class Drawings:
    """The figures of one report."""

    figures: Mapping[str, Sequence[Figure]]
    """Figures by name of their kind, in the order in which they are shown."""
    obstacles: Mapping[str, str]
    """Reasons why kinds cannot be drawn, by name."""

    @property
    def all_figures(self) -> list[Figure]:
        """Figures of all kinds."""
        return [figure for figures in self.figures.values() for figure in figures]


def draw_figures(report: SweepReport) -> Drawings:
    """Draw every figure that a report's runs allow.

    Raises:
        ReportError: If Altair is not installed.
    """
    require_packages("altair", purpose="Figures")
    from stablebert.report.figures.registry import FIGURES  # needs Altair

    figures: dict[str, Sequence[Figure]] = {}
    obstacles: dict[str, str] = {}
    for name, kind in FIGURES.items():
        if reason := kind.obstacle(report.basis):
            obstacles[name] = reason
            continue
        try:
            figures[name] = [_describe(figure) for figure in kind.draw(report.basis)]
        except UnavailableError as error:
            obstacles[name] = str(error)
    return Drawings(figures=figures, obstacles=obstacles)


def _describe(figure: Figure) -> Figure:
    """Return a figure whose specification has its title, which screen readers read."""
    return replace(figure, specification={**figure.specification, "description": figure.title})
