"""Tables from records: reading, statistics, the paper's numbers, layout. No torch."""

from stablebert.report.cells import Cell
from stablebert.report.records import ReportError, collect, read_all
from stablebert.report.table3 import table3
from stablebert.report.tables import report

__all__ = ["Cell", "ReportError", "collect", "read_all", "report", "table3"]
