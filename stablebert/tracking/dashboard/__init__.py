"""A saved W&B workspace of a project's runs, and W&B reports: one per table, and one of own tasks.

A line or bar is one cell, and its band or whisker is over seeds. A panel can group runs by one key
only, so panels follow the runs table, which is grouped by task, method, length and `config_id`.
Panels use only names that runs log, and lines are drawn against the optimizer step. Requires the
package wandb-workspaces.
"""

from stablebert.tracking.dashboard.library import DashboardError
from stablebert.tracking.dashboard.paper_tables import table_names
from stablebert.tracking.dashboard.reports import build_own_report, build_report
from stablebert.tracking.dashboard.saving import print_or_write, save, to_json
from stablebert.tracking.dashboard.selection import parse_project, parse_sweep_id
from stablebert.tracking.dashboard.workspace import build_workspace

__all__ = [
    "DashboardError",
    "build_own_report",
    "build_report",
    "build_workspace",
    "parse_project",
    "parse_sweep_id",
    "print_or_write",
    "save",
    "table_names",
    "to_json",
]
