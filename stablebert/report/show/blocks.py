"""The parts of a view: facts, tables, curves, rows of data, and quoted text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stablebert.report.render import Table
from stablebert.report.statistics.scores import FloatArray


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Texts by name, in order."""

    texts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a panel; its points are finite."""

    name: str
    x: FloatArray
    y: FloatArray


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A small plot."""

    title: str
    x_title: str
    lines: Sequence[Line]
    """At least one, each with at least one point."""
    names: Sequence[str] = ()
    """Names of the positions 0, 1, ... on the x-axis; empty for numbers."""


@dataclass(frozen=True, kw_only=True)
class Panels:
    """Plots of equal standing."""

    panels: Sequence[Panel]


@dataclass(frozen=True, kw_only=True)
class DataRow:
    """A row of the data, and what runs make of it."""

    facts: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)
    """Its texts by column; empty if they are not available."""


@dataclass(frozen=True, kw_only=True)
class DataRows:
    """Rows of the data."""

    title: str
    rows: Sequence[DataRow]
    note: str = ""
    """Why their texts are missing."""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """Text of several lines from elsewhere, such as a traceback."""

    title: str
    text: str


Block = Facts | Table | Panels | DataRows | Quote


@dataclass(frozen=True, kw_only=True)
class View:
    """Parts of the view, in order."""

    title: str
    blocks: Sequence[Block]
    notes: Sequence[str] = ()
    """Missing parts of the view, and the reasons."""
