"""A report for each table of the paper: its numbers, and our runs of each task next to them."""

from typing import Any

from stablebert.tasks import TASKS
from stablebert.tracking.dashboard.library import load_reports_api
from stablebert.tracking.dashboard.panels import (
    arrange_in_rows,
    assign_ids,
    bar_plot,
    line_plot,
    score_distribution,
    stable_id,
    text_panel,
)
from stablebert.tracking.dashboard.paper_tables import entries_of, notes_on, to_markdown
from stablebert.tracking.dashboard.selection import (
    describe_runs,
    display_name,
    grouping_keys,
    run_filter,
)
from stablebert.tracking.workspaces_internals import set_element_id

TITLES = {
    "table1": "standard and Re-init, three epochs and longer",
    "table2": "the methods of Section 7",
    "table3": "the data",
    "table4": "mixed and full precision",
    "table5": "bias correction on all of MNLI",
    "table6": "hyper-parameters of each model",
    "table7": "other pre-trained models",
}


def build_report(entity: str, project: str, table: str, *, sweep: str | None = None) -> Any:
    """Build the report of a table.

    Args:
        entity: W&B team or user.
        project: Project of the runs.
        table: One of `table_names()`.
        sweep: Id of the W&B sweep whose runs to show; None shows the runs that `run_filter`
            selects for the table.
    """
    wr = load_reports_api()
    entries = entries_of(table)
    has_scores = any(entry.statistic == "test" for entry in entries)
    counts = " and ".join(sorted({entry.n for entry in entries if entry.n}))
    means = f"; means ± standard deviations over {counts} runs" if has_scores else ""
    notes = notes_on(entries)
    blocks = [
        wr.P(f"Zhang et al. (2021), Revisiting Few-sample BERT Fine-tuning, as printed{means}."),
        wr.MarkdownBlock(to_markdown(table)),
        *([wr.UnorderedList(items=notes)] if notes else []),
        wr.H1("Our runs"),
        wr.P(
            f"{describe_runs(table, sweep)} Bars and lines are means over seeds. Bars of scores "
            "are fractions; the paper prints them x 100. Runs of the scales demo and mini train "
            "on other data or use a smaller model than the paper."
        ),
    ]
    for task in dict.fromkeys(entry.task for entry in entries) if has_scores else [None]:
        blocks += [wr.H2(task)] if task else []
        blocks.append(_panel_grid(entity, project, table, task, sweep))
    return wr.Report(
        entity=entity,
        project=project,
        title=f"{display_name(sweep)}: Table {entries[0].table}: {TITLES[table]}",
        description="The paper's numbers, and our runs.",
        width="fluid",
        blocks=blocks,
    )


def build_own_report(entity: str, project: str, *, sweep: str | None = None) -> Any:
    """Build the report of the user's own tasks: the panels of each.

    Args:
        entity: W&B team or user.
        project: Project of the runs.
        sweep: Id of the W&B sweep whose runs to show; None shows all runs of the tasks.
    """
    wr = load_reports_api()
    blocks = [wr.P("Bars and lines are means over seeds. Bars of scores are fractions.")]
    for task in TASKS.values():
        if task.own:
            grid = _panel_grid(entity, project, None, task.name, sweep)
            blocks += [wr.H1(task.title), grid]
    return wr.Report(
        entity=entity,
        project=project,
        title=f"{display_name(sweep)}: own tasks: {', '.join(task.name for task in TASKS.own)}",
        description="Runs of the tasks in the tasks file.",
        width="fluid",
        blocks=blocks,
    )


def _panel_grid(
    entity: str, project: str, table: str | None, task: str | None, sweep: str | None
) -> Any:
    """Return the panels of our runs of one task, or of a table without scores."""
    wr = load_reports_api()
    runs = wr.Runset(
        entity=entity,
        project=project,
        name=" ".join(filter(None, (table, task))),
        filters=run_filter(table=table, task=task, sweep=sweep),
        groupby=[f"config.{key}" for key in grouping_keys(table)],
    )
    set_element_id(runs, stable_id(table, task))
    panels = _score_panels(entity) if task else _fact_panels(entity, table)
    if table and task:
        panels.insert(0, text_panel(f"**The paper**\n\n{to_markdown(table, task)}"))
    arrange_in_rows(panels)
    assign_ids(panels, f"{table} {task}")
    return wr.PanelGrid(runsets=[runs], panels=panels)


def _score_panels(entity: str) -> list[Any]:
    ratios = ("bias_ratio/all", "bias_ratio/analytic")
    return [
        bar_plot("test score", "test_at_best"),
        score_distribution(entity, "test score", "test_at_best"),
        bar_plot("best validation score", "val_best"),
        bar_plot("share of failed runs", "failed"),
        bar_plot("share of runs at chance", "at_chance"),
        line_plot("validation score", "val/score"),
        line_plot("bias ratio of all weights", *ratios, log_x=True),
        line_plot("weight change of the classifier", "weight_change/classifier"),
        line_plot("training loss", "train/loss"),
    ]


def _fact_panels(entity: str, table: str | None) -> list[Any]:
    """Return the panels of a table without scores: the data, or hyper-parameters."""
    if table == "table3":
        splits = ("train", "val", "test")
        rows = [bar_plot(f"rows, {split}", f"splits.{split}.rows") for split in splits]
        classes = [bar_plot(f"majority class, {k}", f"majority.{k}") for k in ("val", "test")]
        return [*rows, *classes]
    return [
        bar_plot("test score", "test_at_best"),
        score_distribution(entity, "test score", "test_at_best"),
        bar_plot("optimizer steps", "steps"),
        line_plot("learning rate", "train/lr"),
    ]
