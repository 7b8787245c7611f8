"""Tables of a page, with the texts that its buttons copy."""

from dataclasses import dataclass

from stablebert.report.files import csv_lines
from stablebert.report.render import Entry, Table, render_latex_table


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table of a page."""

    key: str
    """Its `id` in the page."""
    table: Table

    @property
    def csv(self) -> str:
        """The entries as CSV, as they are shown."""
        body = [[_plain_text(entry) for entry in row] for row in self.table.rows]
        return csv_lines([self.table.head, *body])

    @property
    def latex(self) -> str:
        """The table as a LaTeX `tabular`."""
        return render_latex_table(self.table)


def _plain_text(entry: Entry) -> str:
    return f"{entry.text} ({'; '.join(entry.notes)})" if entry.notes else entry.text
