"""A saved W&B workspace of a project's runs, and a W&B report per table of the paper.

What a panel draws is named by what runs log; `tests/test_dashboard.py` holds the two together.
Every x axis is the optimizer step. Needs the extra `dashboard`: the package wandb-workspaces.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

from stablebert.errors import ActionableError
from stablebert.report.paper import Printed, paper
from stablebert.tracking import STEP, base_url, probe, within

log = logging.getLogger(__name__)

NAME = "stablebert"
SECONDS = 120
TABLES = {
    "table1": (("1", "5"), "Table 1: standard and Re-init, three epochs and longer"),
    "table2": (("2",), "Table 2: the methods of Section 7"),
    "table7": (("7",), "Table 7: other pre-trained models"),
}
"""Reports, by the sweep whose runs they show: the paper's tables and a title."""
RUNS = 500  # most that a panel shows
CHART = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "data": {"name": "wandb"},
    "encoding": {
        "x": {"field": "${field:group}", "type": "nominal", "title": None},
        "y": {
            "field": "${field:score}",
            "type": "quantitative",
            "title": "${string:title}",
            "scale": {"zero": False},
        },
    },
    "layer": [
        {"mark": {"type": "boxplot", "opacity": 0.4}},
        {"mark": {"type": "point", "opacity": 0.6}, "encoding": {"color": {"field": "color"}}},
    ],
}
"""A custom chart: every run's score as a point over its group's box."""


class DashboardError(ActionableError):
    """The dashboard cannot be made or saved; the message says what to do."""


def _modules() -> tuple[Any, Any]:
    try:
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise DashboardError(
            f"the dashboard needs wandb-workspaces ({error}): pip install 'stablebert[dashboard]'"
        ) from error
    return wr, ws


def layer_names(num_layers: int) -> list[str]:
    """Layers as runs log them, from the bottom up."""
    return ["embeddings", *(f"layer_{i:02d}" for i in range(num_layers)), "pooler", "classifier"]


def workspace(entity: str, project: str, *, num_layers: int) -> Any:
    """The workspace: scores, failures, bias ratio, weight change, losses."""
    wr, ws = _modules()
    line = _lines(wr)
    layers = layer_names(num_layers)
    analytic = ["bias_ratio/all", "bias_ratio/analytic"]
    each = [line(f"bias ratio, {name}", [f"bias_ratio/{name}"]) for name in layers]
    moved = [line(f"weight change, {name}", [f"weight_change/{name}"]) for name in layers]
    sections = {
        "scores": _scores(wr, entity),
        "failed runs": _failures(wr),
        "bias ratio": [line("bias ratio: all weights, and as it is analytically", analytic), *each],
        "weight change": moved,
        "losses and rates": [
            line("training loss", ["train/loss"]),
            line("validation loss", ["val/loss"]),
            line("learning rate", ["train/lr"]),
        ],
    }
    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[ws.Section(name=k, panels=v, is_open=True) for k, v in sections.items()],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=RUNS),
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Config("task"), ws.Config("method"), ws.Config("length")],
            pinned_columns=[
                *("config:task", "config:method", "config:length", "config:seed"),
                *("summary:val_best", "summary:test_at_best", "summary:failed"),
            ],
        ),
    )


def report(entity: str, project: str, sweep: str) -> Any:
    """The report of a sweep in `TABLES`: the paper's numbers, and panels of our runs."""
    wr, _ = _modules()
    printed, title = TABLES[sweep]
    line = _lines(wr)
    ours = wr.Runset(entity=entity, project=project, name=sweep, filters=f"Tags in ['{sweep}']")
    panels = [
        *_scores(wr, entity),
        *_failures(wr),
        line("bias ratio: all weights, and as it is analytically", ["bias_ratio/all"]),
        line("weight change of the classifier", ["weight_change/classifier"]),
    ]
    for i, panel in enumerate(panels):
        panel.layout = wr.Layout(x=12 * (i % 2), y=8 * (i // 2), w=12, h=8)
    return wr.Report(
        entity=entity,
        project=project,
        title=f"{NAME}: {title}",
        description="Revisiting Few-sample BERT Fine-tuning (ICLR 2021), and our runs.",
        width="fluid",
        blocks=[
            wr.H1("The paper"),
            wr.MarkdownBlock(paper_table(printed)),
            wr.H1("Our runs"),
            wr.P(
                f"Runs with the tag {sweep}. Scores are fractions here, x 100 above. Runs of the "
                "scales demo and mini train other data or a smaller model than the paper's."
            ),
            wr.PanelGrid(runsets=[ours], panels=panels),
        ],
    )


def paper_table(tables: Sequence[str]) -> str:
    """The paper's mean test scores in Markdown, a row per model, method and length."""
    found = [p for p in paper() if p.table in tables and p.statistic == "test"]
    tasks = list(dict.fromkeys(p.task for p in found))
    rows: dict[tuple[str, str, str], dict[str, Printed]] = {}
    for p in found:
        rows.setdefault((p.model, p.method, p.length), {})[p.task] = p
    table = [["model", "method", "length", *tasks], ["---"] * (3 + len(tasks))]
    for key, cells in rows.items():
        table.append([*key, *(cells[t].text if t in cells else "-" for t in tasks)])
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def _lines(wr: Any) -> Callable[[str, list[str]], Any]:
    """Lines against the optimizer step: a method's mean, a band of a deviation over its seeds."""

    def line(title: str, metrics: list[str]) -> Any:
        return wr.LinePlot(
            title=title,
            x=STEP,
            y=metrics,
            groupby=wr.Config("method"),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            max_runs_to_show=RUNS,
        )

    return line


def _bars(wr: Any, title: str, metric: str) -> Any:
    """A bar per task and method: the mean over seeds, with its standard error."""
    return wr.BarPlot(
        title=title,
        metrics=[metric],
        groupby="Group",
        groupby_aggfunc="mean",
        groupby_rangefunc="stderr",
        max_runs_to_show=RUNS,
        max_bars_to_show=RUNS,
    )


def _scores(wr: Any, entity: str) -> list[Any]:
    spread = wr.CustomChart(
        query={"summary": ["test_at_best"], "group": []},
        chart_name=f"{entity}/{NAME}-distribution",
        chart_fields={"group": "group", "score": "test_at_best"},
        chart_strings={"title": "test score of each run"},
    )
    return [
        _bars(wr, "test score, with the weights of the best validation", "test_at_best"),
        spread,
        _bars(wr, "best validation score", "val_best"),
        _lines(wr)("validation score", ["val/score"]),
    ]


def _failures(wr: Any) -> list[Any]:
    return [
        _bars(wr, "share of failed runs", "failed"),
        _lines(wr)("training loss", ["train/loss"]),
    ]


# ---------------------------------------------------------------- out of here


def as_json(board: Any, reports: Sequence[Any]) -> str:
    """Workspace and reports as W&B would be sent them, made without a server."""
    with _without_a_server():
        models = [board._to_model(), *(r._to_model() for r in reports)]
    specs = [json.loads(m.model_dump_json(by_alias=True, exclude_none=True)) for m in models]
    return json.dumps({"workspace": specs[0], "reports": specs[1:]}, indent=1)


@contextmanager
def _without_a_server() -> Iterator[None]:
    """A report asks W&B for the number of its project; here it goes without."""
    import wandb_workspaces.reports.v2.interface as asking

    answer = {"project": {"internalId": "0"}}
    with (
        mock.patch.object(asking, "_get_api"),
        mock.patch.object(asking, "execute_graphql", return_value=answer),
    ):
        yield


def save(board: Any, reports: Sequence[Any]) -> list[str]:
    """Create workspace, chart and reports in W&B, or update those of the same name.

    Returns:
        Their addresses.

    Raises:
        DashboardError: nobody is logged in, or the server does not answer or refuses.
    """
    if silence := probe(base_url()):
        raise DashboardError(f"W&B does not answer: {silence}; --json FILE needs no server")
    try:
        return within(SECONDS, partial(_save, board, reports))
    except Exception as error:  # the client raises its own, requests' and plain ones
        raise DashboardError(f"{board.entity}/{board.project}: {error}; `wandb login`?") from error


def _save(board: Any, reports: Sequence[Any]) -> list[str]:
    import wandb

    api: Any = wandb.Api(timeout=30)
    _save_chart(api, board.entity)
    return [_save_workspace(board), *(_save_report(api, one) for one in reports)]


def _save_chart(api: Any, entity: str) -> None:
    """The chart's definition, which an entity has once."""
    try:
        api.create_custom_chart(
            entity=entity,
            name=f"{NAME}-distribution",
            display_name="Distribution of scores",
            spec_type="vega2",
            access="private",
            spec=CHART,
        )
    except Exception as error:  # the rest of the dashboard works without
        if "exist" not in str(error):
            log.warning("the chart of distributions was not made: %s", error)


def _save_workspace(board: Any) -> str:
    from wandb_workspaces.workspaces import internal

    name = internal._url_query_str_to_internal_name(NAME)
    try:
        board._internal_id = internal.View.from_name(board.entity, board.project, name).id
    except ValueError:
        board._internal_id = ""  # the first time
    board._internal_name = name
    board.save()
    return str(board.url)


def _save_report(api: Any, one: Any) -> str:
    for old in api.reports(f"{one.entity}/{one.project}"):
        if old.display_name == one.title:
            one.id = old.id
    one.save()
    return str(one.url)
