"""A saved W&B workspace of a project's runs, and a W&B report per table of the paper.

A line or bar is one configuration and its band or whisker is over seeds: panels follow the runs
table, which is grouped by task, method, length and `config_id`, as a panel itself can group by one
key only. Everything that a panel draws is named by what runs log, which `tests/test_dashboard.py`
holds them to, and lines run against the optimizer step. Needs the package wandb-workspaces.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock

from stablebert.config.files import SWEEPS
from stablebert.errors import ActionableError
from stablebert.report.paper import Printed, paper
from stablebert.timeouts import run_with_timeout
from stablebert.tracking.client import (
    UnknownLoginError,
    connection_problem,
    login_problem,
    server_url,
)
from stablebert.tracking.mirror import STEP

log = logging.getLogger(__name__)

NAME = "stablebert"
SECONDS = 120
RUNS = 1000
"""Most that a panel draws: groups, or runs where there are none."""
CELL = ("task", "method", "length", "config_id")
"""Top-level keys of a run's configuration that tell it from runs of other cells."""
TITLES = {
    "table1": "standard and Re-init, three epochs and longer",
    "table2": "the methods of Section 7",
    "table3": "the data",
    "table4": "mixed and full precision",
    "table5": "bias correction on all of MNLI",
    "table6": "hyper-parameters of each model",
    "table7": "other pre-trained models",
}
ALSO = {
    "table4": ("trainer.precision",),
    "table6": ("model.name",),
    "table7": ("model.name",),
}
"""What tells cells apart in some tables, before `CELL`, so that it stands in their labels."""
ANALYTIC = """\
**Analytic:** (1 - β₁^t) / √(1 - β₂^t) after t steps, where ε does not matter. With the usual
β₁ = 0.9, β₂ = 0.999 it is 3.16 at the first step, 6.57 at the peak near step 12, and 1 in the end
(Zhang et al. 2021, Figure 1). Runs log it as `bias_ratio/analytic`, from their own betas."""
CHART = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "title": "${string:title}",
    "data": {"name": "wandb"},
    "transform": [
        {"filter": "isValid(datum['${field:score}'])"},
        {"calculate": "100 * datum['${field:score}']", "as": "points"},
        {
            "calculate": "datum['${field:method}'] + ' ' + datum['${field:length}'] + ' ' + "
            "datum['${field:config}']",
            "as": "cell",
        },
    ],
    "facet": {"field": "${field:task}", "type": "nominal", "title": None},
    "columns": 4,
    "resolve": {"scale": {"x": "independent", "y": "independent"}},
    "spec": {
        "height": 200,
        "encoding": {
            "x": {"field": "cell", "type": "nominal", "title": None},
            "y": {
                "field": "points",
                "type": "quantitative",
                "title": "score x 100",
                "scale": {"zero": False},
            },
        },
        "layer": [
            {"mark": {"type": "boxplot", "extent": "min-max", "opacity": 0.4}},
            {
                "mark": {"type": "point", "filled": True, "opacity": 0.7},
                "encoding": {
                    "color": {
                        "field": "${field:status}",
                        "type": "nominal",
                        "title": None,
                        "scale": {"domain": ["ok", "failed"], "range": ["#4c78a8", "#e45756"]},
                    }
                },
            },
        ],
    },
}
"""A custom chart in Vega-Lite: per task a box per cell, and each run a point, red if it failed."""
# W&B can create a chart but not change one, so another chart needs another name
CHART_NAME = f"{NAME}-scores-{sha256(json.dumps(CHART).encode()).hexdigest()[:8]}"


class DashboardError(ActionableError):
    """The dashboard cannot be made or saved; the message says what to do."""


@cache
def _modules() -> tuple[Any, Any]:
    try:
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise DashboardError(
            f"the dashboard needs wandb-workspaces ({error}): pip install 'stablebert[dashboard]'"
        ) from error
    return wr, ws


def tables() -> list[str]:
    """The paper's tables that have numbers in `results/paper.csv`: `table1`, ..."""
    return sorted({f"table{printed.table}" for printed in paper()})


def layer_names(num_layers: int) -> list[str]:
    """Layers as runs log them, from the bottom up."""
    return ["embeddings", *(f"layer_{i:02d}" for i in range(num_layers)), "pooler", "classifier"]


def split(path: str) -> tuple[str, str]:
    """ENTITY and PROJECT.

    Raises:
        DashboardError: not ENTITY/PROJECT.
    """
    if not re.fullmatch(r"[^/\s]+/[^/\s]+", path):
        raise DashboardError(f"{path}: a project is named ENTITY/PROJECT")
    entity, _, project = path.partition("/")
    return entity, project


def sweep_id(path: str) -> str:
    """The last part of ENTITY/PROJECT/SWEEP, or the whole of SWEEP.

    Raises:
        DashboardError: no id of a sweep.
    """
    found = re.fullmatch(r"(?:[^/\s]+/[^/\s]+/)?(\w+)", path)
    if not found:
        raise DashboardError(f"--sweep {path}: the id that `wandb sweep` prints, as in 1ab2c3d4")
    return found[1]


# ---------------------------------------------------------------- workspace


def workspace(entity: str, project: str, *, num_layers: int, sweep: str | None = None) -> Any:
    """The workspace: scores, failed runs, bias ratio, weight change, losses and rates.

    Args:
        entity: team or user.
        project: of the runs.
        num_layers: of the model, for the panels per layer; those of all layers need no number.
        sweep: id of the W&B sweep whose runs to show; None shows all.
    """
    _, ws = _modules()
    layers = layer_names(num_layers)
    every = r"(embeddings|layer_\d+|pooler|classifier)$"
    sections = {
        "scores": [
            _bars("test score, weights of the best validation", "test_at_best"),
            _distribution(entity, "test score, weights of the best validation", "test_at_best"),
            _bars("best validation score", "val_best"),
            _line("validation score", "val/score"),
        ],
        "failed runs": [
            _bars("share of failed runs", "failed"),
            _line("validation score, each run", "val/score", area="samples"),
            _line("training loss, each run", "train/loss", area="samples"),
        ],
        "bias ratio": [
            _line("bias ratio of all weights", "bias_ratio/all", "bias_ratio/analytic", log_x=True),
            _note(ANALYTIC),
            _line("bias ratio of every layer", regex=f"^bias_ratio/{every}", log_x=True),
            *(_line(f"bias ratio, {n}", f"bias_ratio/{n}", log_x=True) for n in layers),
        ],
        "weight change": [
            _line("weight change of every layer", regex=f"^weight_change/{every}"),
            *(_line(f"weight change, {n}", f"weight_change/{n}") for n in layers),
        ],
        "losses and learning rate": [
            _line("training loss", "train/loss"),
            _line("validation loss", "val/loss"),
            _line("learning rate", "train/lr"),
        ],
    }
    board = ws.Workspace(
        entity=entity,
        project=project,
        name=_name(sweep),
        sections=[
            ws.Section(
                name=name,
                panels=_numbered(name, panels),
                is_open=True,
                panel_settings=ws.SectionPanelSettings(x_axis=STEP),
            )
            for name, panels in sections.items()
        ],
        settings=ws.WorkspaceSettings(
            x_axis=STEP, max_runs=RUNS, point_visualization_method="downsampling"
        ),
        runset_settings=ws.RunsetSettings(
            filters=_filters(sweep=sweep),
            groupby=[ws.Config(key) for key in CELL],
            pinned_columns=[
                "run:state",
                *(f"config:{key}.value" for key in ("task", "method", "length", "seed")),
                *(f"summary:{key}" for key in ("status", "val_best", "test_at_best")),
            ],
        ),
    )
    board._internal_name = f"nw-{NAME}{sweep or ''}-v"  # its address is made of it
    return board


def _name(sweep: str | None) -> str:
    return f"{NAME} {sweep}" if sweep else NAME


# ---------------------------------------------------------------- reports


def report(entity: str, project: str, table: str, *, sweep: str | None = None) -> Any:
    """The report of a table: the paper's numbers, and per task our runs beside them.

    Args:
        entity: team or user.
        project: of the runs.
        table: one of `tables()`.
        sweep: id of the W&B sweep whose runs to show; None shows those tagged with the table, or,
            where no sweep of ours is named after it, those of its tasks and methods.
    """
    wr, _ = _modules()
    printed = [p for p in paper() if f"table{p.table}" == table]
    scored = any(p.statistic == "test" for p in printed)
    runs = " and ".join(sorted({p.n for p in printed if p.n}))
    said = f"; means ± standard deviations over {runs} runs" if scored else ""
    notes = _notes(printed)
    blocks = [
        wr.P(f"Zhang et al. (2021), Revisiting Few-sample BERT Fine-tuning, as printed{said}."),
        wr.MarkdownBlock(paper_table(table)),
        *([wr.UnorderedList(items=notes)] if notes else []),
        wr.H1("Our runs"),
        wr.P(
            f"{_scope(table, sweep)} Bars and lines are means over seeds. Bars of scores are "
            "fractions, where the paper prints them x 100. Runs of the scales demo and mini train "
            "other data or a smaller model than the paper's."
        ),
    ]
    for task in dict.fromkeys(p.task for p in printed) if scored else [None]:
        panels = _of_scores(entity, table, task) if task else _of_facts(entity, table)
        blocks += [wr.H2(task)] if task else []
        ours = wr.Runset(
            entity=entity,
            project=project,
            name=f"{table} {task or ''}".rstrip(),
            filters=_filters(table, task, sweep),
            groupby=[f"config.{key}" for key in _grouping(table)],
        )
        ours._id = _digest(table, task)
        blocks.append(
            wr.PanelGrid(runsets=[ours], panels=_numbered(f"{table} {task}", _beside(panels)))
        )
    return wr.Report(
        entity=entity,
        project=project,
        title=f"{_name(sweep)}: Table {printed[0].table}: {TITLES[table]}",
        description="The paper's numbers, and our runs.",
        width="fluid",
        blocks=blocks,
    )


def paper_table(table: str, task: str | None = None) -> str:
    """A table of the paper in Markdown, as printed: rows as there, a column per task.

    Args:
        table: one of `tables()`.
        task: shows its column only.
    """
    printed = [p for p in paper() if f"table{p.table}" == table and task in (None, p.task)]
    columns = list(dict.fromkeys(p.task for p in printed))
    rows: dict[tuple[str, ...], dict[str, Printed]] = {}
    labels = ["row", *(key for key in ("length", "statistic") if _splits_rows(printed, key))]
    for p in printed:
        rows.setdefault(tuple(getattr(p, key) for key in labels), {})[p.task] = p
    lines = [["" if key == "row" else key for key in labels] + columns]
    lines += [["---"] * (len(labels) + len(columns))]
    for label, cells in rows.items():
        lines.append([*label, *(cells[c].text if c in cells else "-" for c in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _notes(printed: Sequence[Printed]) -> list[str]:
    """What is odd about a table, each with the number it is about unless it is about several."""
    about: dict[str, list[Printed]] = {}
    for p in printed:
        if p.note:
            about.setdefault(p.note, []).append(p)
    return [
        note if len(found) > 1 else f"{found[0].row}, {found[0].task}, {found[0].text}: {note}"
        for note, found in about.items()
    ]


def _splits_rows(printed: Iterable[Printed], key: str) -> bool:
    """Whether rows of the table differ in nothing but this."""
    values: dict[str, set[str]] = {}
    for p in printed:
        values.setdefault(p.row, set()).add(getattr(p, key))
    return any(len(found) > 1 for found in values.values())


def _of_scores(entity: str, table: str, task: str) -> list[Any]:
    return [
        _note(f"**The paper**\n\n{paper_table(table, task)}"),
        _bars("test score", "test_at_best"),
        _distribution(entity, "test score", "test_at_best"),
        _bars("best validation score", "val_best"),
        _bars("share of failed runs", "failed"),
        _line("validation score", "val/score"),
        _line("bias ratio of all weights", "bias_ratio/all", "bias_ratio/analytic", log_x=True),
        _line("weight change of the classifier", "weight_change/classifier"),
        _line("training loss", "train/loss"),
    ]


def _of_facts(entity: str, table: str) -> list[Any]:
    """Panels of a table that prints no scores: the data, or hyper-parameters."""
    if table == "table3":
        rows = [_bars(f"rows, {part}", f"splits.{part}.rows") for part in ("train", "val", "test")]
        return [*rows, *(_bars(f"majority class, {k}", f"majority.{k}") for k in ("val", "test"))]
    return [
        _bars("test score", "test_at_best"),
        _distribution(entity, "test score", "test_at_best"),
        _bars("optimizer steps", "steps"),
        _line("learning rate", "train/lr"),
    ]


def _grouping(table: str) -> tuple[str, ...]:
    return ("task",) if table == "table3" else (*ALSO.get(table, ()), *CELL)


def _tagged(table: str) -> bool:
    """Whether a sweep of ours is named after the table; its runs are tagged with it."""
    return (SWEEPS / f"{table}.yaml").is_file()


def _scope(table: str, sweep: str | None) -> str:
    if sweep:
        return f"Runs of the sweep {sweep}."
    return f"Runs tagged {table}." if _tagged(table) else "Runs of its tasks and methods."


def _filters(table: str | None = None, task: str | None = None, sweep: str | None = None) -> str:
    """Which runs, in the language of wandb-workspaces; all where nothing is given."""
    kept: dict[str, list[str]] = {}
    if sweep:
        kept["Sweep"] = [sweep]
    elif table and _tagged(table):
        kept["Tags"] = [table]
    elif table:
        printed = [p for p in paper() if f"table{p.table}" == table]
        kept["Config('method.value')"] = sorted({p.method for p in printed} - {""})
        kept["Config('task.value')"] = sorted({p.task for p in printed} - {"all"})
    if task:
        kept["Config('task.value')"] = [task]
    return " and ".join(f"{key} in {values}" for key, values in kept.items() if values)


# ---------------------------------------------------------------- panels


def _line(
    title: str,
    *metrics: str,
    regex: str | None = None,
    area: str = "stddev",
    log_x: bool | None = None,
) -> Any:
    """Means over seeds against the optimizer step, each with a band of a standard deviation.

    Args:
        title: of the panel.
        metrics: names that runs log.
        regex: of names, in their place.
        area: the band; `samples` draws every run instead.
        log_x: where what matters is in the first steps.
    """
    wr, _ = _modules()
    return wr.LinePlot(
        title=title,
        x=STEP,
        y=list(metrics),
        metric_regex=regex,
        title_x="optimizer step",
        log_x=log_x,
        groupby_aggfunc="mean",
        groupby_rangefunc=area,
        max_runs_to_show=RUNS,
        # W&B's default takes the last point of each bucket of the axis, and bands over the bucket;
        # a run logs far fewer points than the 1,500 that this one keeps
        point_visualization_method="sampling",
    )


def _bars(title: str, metric: str) -> Any:
    """Means over seeds of a number of the summary, with their standard errors."""
    wr, _ = _modules()
    return wr.BarPlot(
        title=title,
        metrics=[metric],
        groupby_aggfunc="mean",
        groupby_rangefunc="stderr",
        max_runs_to_show=RUNS,
        max_bars_to_show=RUNS,
    )


def _distribution(entity: str, title: str, score: str) -> Any:
    """The custom chart; W&B gives it 500 runs at most. Its columns are keys of the summary."""
    wr, _ = _modules()
    fields = {key: key for key in ("task", "method", "length", "status")}
    fields |= {"config": "config_id", "score": score}
    return wr.CustomChart(
        query={"summary": {"keys": list(fields.values())}},
        chart_name=f"{entity}/{CHART_NAME}",
        chart_fields=fields,
        chart_strings={"title": title},
    )


def _note(markdown: str) -> Any:
    wr, _ = _modules()
    return wr.MarkdownPanel(markdown=markdown)


def _beside(panels: Sequence[Any]) -> Sequence[Any]:
    """Lay panels out in rows of three, over a report's 24 columns."""
    wr, _ = _modules()
    for i, panel in enumerate(panels):
        panel.layout = wr.Layout(x=8 * (i % 3), y=8 * (i // 3), w=8, h=8)
    return panels


def _numbered(where: str, panels: Sequence[Any]) -> list[Any]:
    """Give panels ids that stay the same, in place of drawn ones."""
    for i, panel in enumerate(panels):
        panel._id = _digest(where, i)
    return list(panels)


def _digest(*parts: object) -> str:
    return sha256(repr(parts).encode()).hexdigest()[:12]


# ---------------------------------------------------------------- out of here


def as_json(board: Any, reports: Sequence[Any]) -> str:
    """Workspace, reports and chart as W&B would be sent them, made without a server."""
    asked = {"project": {"internalId": "0"}}
    with _asking(api=None, answer=asked):
        models = [board._to_model(), *(r._to_model() for r in reports)]
    specs = [json.loads(m.model_dump_json(by_alias=True, exclude_none=True)) for m in models]
    chart = {"name": CHART_NAME, "spec": CHART}
    return json.dumps({"workspace": specs[0], "reports": specs[1:], "chart": chart}, indent=1)


def write_json(text: str, file: str) -> None:
    """Write it to a file, or print it where that is `-`.

    Raises:
        DashboardError: the file cannot be written.
    """
    if file == "-":
        print(text)
        return
    try:
        Path(file).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise DashboardError(f"--json {file}: {error.strerror}") from error


@contextmanager
def _asking(api: Any, answer: Any = None) -> Iterator[None]:
    """Have reports ask through one client, each time a new one logs in; or get this answer."""
    import wandb_workspaces.reports.v2.interface as asking

    with mock.patch.object(asking, "_get_api", return_value=api):
        if answer is None:
            yield
            return
        with mock.patch.object(asking, "execute_graphql", return_value=answer):
            yield


def save(board: Any, reports: Sequence[Any]) -> list[str]:
    """Create workspace, chart and reports in W&B, or update those of the same name.

    Returns:
        Their addresses.

    Raises:
        DashboardError: nobody is logged in, or the server does not answer or refuses.
    """
    url = server_url()
    if silence := connection_problem(url):
        raise DashboardError(f"W&B does not answer: {silence}; --json FILE needs no server")
    with suppress(UnknownLoginError):
        # without a key the client would prompt for one on the terminal
        if problem := login_problem(url):
            raise DashboardError(problem)
    try:
        return run_with_timeout(SECONDS, partial(_save, board, reports))
    except Exception as error:  # the client raises its own, requests' and plain ones
        raise DashboardError(
            f"{board.entity}/{board.project}: {error}; is it there, on {url}, and may you write "
            "to it? (`wandb login --relogin` takes another key)"
        ) from error


def _save(board: Any, reports: Sequence[Any]) -> list[str]:
    import wandb

    api: Any = wandb.Api(timeout=30)
    path = f"{board.entity}/{board.project}"
    _save_chart(api, board.entity)
    board._internal_id = _id_of_view(board)
    board.save()
    old = {_table_of(known.display_name): known.id for known in api.reports(path) if reports}
    with _asking(api):
        for one in reports:
            one.id = old.get(_table_of(one.title), "")
            one.save()
        return [str(board.url), *(str(one.url) for one in reports)]


def _table_of(title: str) -> str:
    """`stablebert: Table 1`, before what the table is about."""
    return title.rpartition(": ")[0]


def _save_chart(api: Any, entity: str) -> None:
    """The chart's definition, which an entity has once."""
    try:
        api.create_custom_chart(
            entity=entity,
            name=CHART_NAME,
            display_name=f"{NAME}: scores",
            spec_type="vega2",
            access="private",
            spec=CHART,
        )
    except Exception as error:  # the rest of the dashboard works without
        if not re.search("exist|409|conflict", str(error), re.IGNORECASE):
            log.warning("the chart of distributions was not made: %s", str(error).strip())


def _id_of_view(board: Any) -> str:
    """Of the workspace of this name in W&B; empty where there is none yet."""
    from wandb_workspaces.workspaces import internal

    name = internal._internal_name_to_url_query_str(board._internal_name)
    try:
        view = internal.get_view_dict(board.entity, board.project, name)
    except ValueError as error:
        if "not found in project" not in str(error):
            raise
        return ""
    return str(view["id"])
