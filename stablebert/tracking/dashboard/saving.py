"""The dashboard as JSON or saved in W&B."""

import json
import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stablebert.runs.files import write_text
from stablebert.timeouts import run_with_timeout
from stablebert.tracking.client import server_url, usage_problem
from stablebert.tracking.dashboard.chart import CHART, CHART_NAME
from stablebert.tracking.dashboard.library import DashboardError
from stablebert.tracking.dashboard.selection import NAME
from stablebert.tracking.workspaces_internals import (
    find_workspace_id,
    reports_through,
    reports_without_server,
    set_workspace_id,
    to_spec,
)

log = logging.getLogger(__name__)

SAVE_SECONDS = 120


def to_json(workspace: Any, reports: Sequence[Any]) -> str:
    """Return workspace, reports and chart as W&B would receive them; needs no server."""
    with reports_without_server():
        specs = [to_spec(view) for view in (workspace, *reports)]
    chart = {"name": CHART_NAME, "spec": CHART}
    return json.dumps({"workspace": specs[0], "reports": specs[1:], "chart": chart}, indent=1)


def print_or_write(text: str, file: str) -> None:
    """Write the text to a file, or print it if the file is `-`.

    Raises:
        DashboardError: If the file cannot be written.
    """
    if file == "-":
        print(text)
        return
    try:
        write_text(Path(file), text + "\n")
    except OSError as error:
        raise DashboardError(f"--json {file}: {error.strerror}") from error


def save(workspace: Any, reports: Sequence[Any]) -> list[str]:
    """Create workspace, chart and reports in W&B, or update those of the same name.

    Returns:
        The addresses of the workspace and of each report.

    Raises:
        DashboardError: If nobody is logged in, or the server does not answer or refuses.
    """
    if problem := usage_problem():
        raise DashboardError(f"W&B cannot be used: {problem}; --json FILE needs no server")
    try:
        return run_with_timeout(SAVE_SECONDS, partial(_save, workspace, reports))
    except Exception as error:  # the client raises its own errors, those of requests and plain ones
        raise DashboardError(
            f"{workspace.entity}/{workspace.project}: {error}; does it exist on {server_url()}, "
            "and can you write to it? (`wandb login --relogin` replaces the key)"
        ) from error


def _save(workspace: Any, reports: Sequence[Any]) -> list[str]:
    import wandb

    api: Any = wandb.Api(timeout=30)
    project = f"{workspace.entity}/{workspace.project}"
    _save_chart(api, workspace.entity)
    set_workspace_id(workspace, find_workspace_id(workspace))
    workspace.save()
    saved_reports = api.reports(project) if reports else []
    ids = {_without_subject(report.display_name): report.id for report in saved_reports}
    with reports_through(api):
        for report in reports:
            report.id = ids.get(_without_subject(report.title), "")
            report.save()
        return [str(workspace.url), *(str(report.url) for report in reports)]


def _without_subject(title: str) -> str:
    """Return the part of a report's title that identifies it: `stablebert: Table 1`."""
    return title.rpartition(": ")[0]


def _save_chart(api: Any, entity: str) -> None:
    """Define the custom chart, unless the entity already has it."""
    try:
        api.create_custom_chart(
            entity=entity,
            name=CHART_NAME,
            display_name=f"{NAME}: scores",
            spec_type="vega2",
            access="private",
            spec=CHART,
        )
    except Exception as error:  # the rest of the dashboard works without the chart
        if not re.search("exist|409|conflict", str(error), re.IGNORECASE):
            log.warning("the chart of score distributions was not saved: %s", str(error).strip())
