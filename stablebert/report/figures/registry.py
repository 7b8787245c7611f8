"""The kinds of figures that reports offer, in the order in which they are shown."""

from stablebert.report.figures.base import FigureKind

_ALL: tuple[FigureKind, ...] = ()
FIGURES = {kind.name: kind for kind in _ALL}
