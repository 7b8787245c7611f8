"""Accessors for the JSON of a dashboard."""

import json
import warnings

from stablebert.tracking.dashboard import build_report, build_workspace, table_names, to_json

LAYERS = ["embeddings", "layer_00", "layer_01", "pooler", "classifier"]


def build(*, tables=None, num_layers=2, sweep=None):
    """Build a dashboard and return its JSON; all tables by default."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Pydantic V1 style")  # of wandb-workspaces
        workspace = build_workspace("ent", "proj", num_layers=num_layers, sweep=sweep)
    tables = table_names() if tables is None else tables
    reports = [build_report("ent", "proj", table, sweep=sweep) for table in tables]
    return json.loads(to_json(workspace, reports))


def sections_of(spec):
    """Return the panels of each section of a workspace, by name."""
    sections = spec["section"]["panelBankConfig"]["sections"]
    return {section["name"]: section["panels"] for section in sections}


def grids_of(report):
    """Return the panel grids of a report."""
    blocks = report["spec"]["blocks"]
    return [block["metadata"] for block in blocks if block["type"] == "panel-grid"]


def panels_of(grid):
    return grid["panelBankSectionConfig"]["panels"]


def all_panels(dashboard):
    """Return the panels of the workspace and of all reports."""
    panels = [p for part in sections_of(dashboard["workspace"]["spec"]).values() for p in part]
    grids = [grid for report in dashboard["reports"] for grid in grids_of(report)]
    return panels + [panel for grid in grids for panel in panels_of(grid)]


def all_run_sets(dashboard):
    """Return the run sets of the workspace and of all reports."""
    grids = [grid for report in dashboard["reports"] for grid in grids_of(report)]
    sets = dashboard["workspace"]["spec"]["section"]["runSets"]
    return sets + [grid["runSets"][0] for grid in grids]


def metric_names(panel):
    """Return the names that a panel draws, separated by spaces, or its regular expression."""
    config = panel["config"]
    names = config.get("metrics") or config.get("fieldSettings", {}).values()
    return config.get("metricRegex") or " ".join(sorted(names))


def shapes_of(panels):
    """Return the kind and the metrics of each panel."""
    return [(panel["viewType"], metric_names(panel)) for panel in panels]


def line(metrics):
    return ("Run History Line Plot", metrics)


def bars(metric):
    return ("Bar Chart", metric)


TEXT = ("Markdown Panel", "")
DISTRIBUTION = ("Vega2", "at_chance config_id length method status task test_at_best")
BIAS_RATIO = line("bias_ratio/all bias_ratio/analytic")
