"""Figures and the kinds of figures that reports offer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stablebert.errors import ActionableError
from stablebert.report.analyses.base import Basis

Specification = dict[str, Any]
"""A Vega-Lite specification with its data inside, as JSON values."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure."""

    name: str
    """Part of its file's name after that of the report: `distribution` in table1-distribution.svg;
    `distribution-mini` if a kind draws several."""
    title: str
    caption: str
    """Computed from the data: n, scale, model, configuration, and what stands out."""
    specification: Specification


class UnavailableError(ActionableError):
    """A figure that the files next to the records do not suffice for."""


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """A kind of figure that reports offer."""

    name: str
    summary: str
    """One line for lists and the help."""
    items: Sequence[str]
    """The paper's figures that it redraws, such as `fig5`; empty if it goes beyond the paper."""
    obstacle: Callable[[Basis], str]
    """Returns why the figure cannot be drawn from a report, empty if it can. It must be fast and
    read no file."""
    draw: Callable[[Basis], Sequence[Figure]]
    """Called only if there is no obstacle. It may read files, and raises an `UnavailableError` if
    they lack what it shows."""
