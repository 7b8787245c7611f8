"""Figures of runs made by hand, for tests of reports."""

from stablebert.report.analyses.base import Request
from stablebert.report.sweep_report import build_report


def make_basis(cells, records, *, name="t", roots=(), target=None):
    """Basis of a report's figures."""
    request = Request(roots=roots, target=target)
    return build_report(cells, records, name=name, request=request).basis


def draw_one(kind, basis, name=None):
    """A figure of a kind that has no obstacle; the only one, or that of a name."""
    assert kind.obstacle(basis) == ""
    figures = [figure for figure in kind.draw(basis) if name in (None, figure.name)]
    (figure,) = figures
    return figure


def rows_of(figure, **conditions):
    """Rows of a figure's data that meet all conditions, such as `kind="run"`."""
    (rows,) = figure.specification["datasets"].values()
    return [row for row in rows if all(row.get(k) == v for k, v in conditions.items())]


def values_of(figure, column, **conditions):
    """Values of a column in the rows that meet all conditions."""
    return [row[column] for row in rows_of(figure, **conditions)]


def encodings_of(specification, channel):
    """Every encoding of a channel in a specification, at any depth."""
    found = []
    if isinstance(specification, dict):
        encoding = specification.get("encoding")
        if isinstance(encoding, dict) and channel in encoding:
            found.append(encoding[channel])
        for value in specification.values():
            found += encodings_of(value, channel)
    elif isinstance(specification, list):
        for value in specification:
            found += encodings_of(value, channel)
    return found
