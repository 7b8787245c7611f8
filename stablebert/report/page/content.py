"""Sections of a page on sweeps, with keys for their tables and figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from stablebert.report.analyses.registry import ANALYSES
from stablebert.report.caption import caption_lines
from stablebert.report.claims.commands import command_for
from stablebert.report.everything import AbsentItem
from stablebert.report.export import cells_csv
from stablebert.report.figures.base import Figure
from stablebert.report.figures.draw import Drawings
from stablebert.report.items import ITEMS, join_labels
from stablebert.report.page.scripts import pack_specification
from stablebert.report.page.tables import PageTable
from stablebert.report.render import Table
from stablebert.report.sweep_report import SweepReport
from stablebert.report.tables import comparison_tables, distribution_table


@dataclass(frozen=True, kw_only=True)
class PageFigure:
    """A figure of a page."""

    key: str
    """Its `id` in the page."""
    figure: Figure


@dataclass(frozen=True, kw_only=True)
class AnalysisSection:
    """The results of an analysis."""

    title: str
    tables: Sequence[PageTable]
    sentences: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class SweepSection:
    """A sweep's part of a page."""

    key: str
    """Its `id` in the page."""
    name: str
    title: str
    place: str
    """Figures and tables of the paper that the sweep reproduces, empty if there are none."""
    sentences: Sequence[str]
    tables: Sequence[PageTable]
    """Scores."""
    figures: Sequence[PageFigure]
    """Scores of all runs, and what the paper shows of the sweep."""
    more_figures: Sequence[PageFigure]
    more_titles: Sequence[str]
    """Titles of `more_figures`, one per kind."""
    more_tables: Sequence[PageTable]
    """Distributions and comparisons."""
    analyses: Sequence[AnalysisSection]
    notes: Sequence[str]
    """Definitions, provenance, and what is missing."""
    command: str
    numbers_csv: str
    """Every number of the sweep, unrounded."""


class PageBuilder:
    """Builder of sections, which gives every table and figure of a page a key.

    Args:
        reports: Reports of all sweeps of the page.
    """

    def __init__(self, reports: Mapping[str, SweepReport]):
        self._reports = reports
        self._numbers: Iterator[int] = count(1)
        self._sweeps: list[SweepSection] = []
        self._tables: list[PageTable] = []
        self._figures: list[PageFigure] = []

    def add_sweep(
        self, report: SweepReport, drawings: Drawings, absent: Sequence[AbsentItem] = ()
    ) -> SweepSection:
        """Return the section of a sweep with its figures.

        Args:
            report: The report.
            drawings: Its figures.
            absent: Items without a report, of which this one may have runs.
        """
        rows, findings = report.rows, report.sections.findings
        items = [item for item in ITEMS.values() if item.sweep == report.name]
        others = [x.item for x in absent if report.name in x.shown_in]
        partial = [item for item in others if item.figure in drawings.figures]
        shown_kinds = {"distribution", *(item.figure for item in [*items, *partial])}
        places = [item.label for item in items]
        places += [f"{join_labels(partial)} (in part)"] if partial else []
        figures: dict[bool, list[PageFigure]] = {True: [], False: []}
        more_titles = []
        for kind, own in drawings.figures.items():
            figures[kind in shown_kinds] += map(self.add_figure, own)
            if own and kind not in shown_kinds:
                more_titles.append(_title_of_kind(own))
        section = SweepSection(
            key=self._key("sweep"),
            name=report.name,
            title=_title_of_sweep(report.name),
            place=", ".join(places),
            sentences=report.sentences,
            tables=self.add_tables(report.score_tables),
            figures=figures[True],
            more_figures=figures[False],
            more_titles=more_titles,
            more_tables=self.add_tables([distribution_table(rows), *comparison_tables(rows)]),
            analyses=[
                AnalysisSection(
                    title=ANALYSES[name].summary,
                    tables=self.add_tables(result.tables),
                    sentences=result.sentences,
                )
                for name, result in findings.items()
            ],
            notes=[
                *caption_lines(rows, report.join_result),
                *report.notes,
                *(f"histories: {problem}" for problem in report.basis.histories[1]),
            ],
            command=command_for(report.name, self._reports),
            numbers_csv=cells_csv(rows, report.name),
        )
        self._sweeps.append(section)
        return section

    def add_tables(self, tables: Sequence[Table]) -> list[PageTable]:
        """Return tables with keys of their own."""
        page_tables = [PageTable(key=self._key("table"), table=table) for table in tables]
        self._tables += page_tables
        return page_tables

    def add_figure(self, figure: Figure) -> PageFigure:
        """Return a figure with a key of its own."""
        page_figure = PageFigure(key=self._key("figure"), figure=figure)
        self._figures.append(page_figure)
        return page_figure

    def _key(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"

    @property
    def data(self) -> Mapping[str, object]:
        """Everything added so far that the page's script reads, by `id` of its element."""
        copies = {table.key: {"csv": table.csv, "latex": table.latex} for table in self._tables}
        copies |= {sweep.key: {"csv": sweep.numbers_csv} for sweep in self._sweeps}
        specs = {f"{x.key}-spec": pack_specification(x.figure.specification) for x in self._figures}
        return {"copies": copies, **specs}


def _title_of_sweep(name: str) -> str:
    """Return the title of the item that shows most of a sweep: one that does not narrow it."""
    items = [item for item in ITEMS.values() if item.sweep == name]
    return min(items, key=lambda item: bool(item.overrides)).title if items else name


def _title_of_kind(figures: Sequence[Figure]) -> str:
    """Return the title of the first figure of a kind, and how many more there are."""
    more = len(figures) - 1
    return f"{figures[0].title} (and {more} more)" if more else figures[0].title
