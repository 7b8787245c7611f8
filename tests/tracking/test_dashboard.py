"""The W&B dashboard: what it draws exists, and it is saved once however often it is made."""

import json
import os
import re
import subprocess
import sys

import pytest

from stablebert.cli.main import main
from stablebert.report.paper import paper
from stablebert.tracking import dashboard
from stablebert.tracking.mirror import STEP
from tests.helpers.wandb_server import WandbServer

pytest.importorskip("wandb_workspaces")
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")

LAYERS = ["embeddings", "layer_00", "layer_01", "pooler", "classifier"]
SCORE = ("Vega2", "config_id length method status task test_at_best")
BIAS = ("Run History Line Plot", "bias_ratio/all bias_ratio/analytic")
EVERY = r"(embeddings|layer_\d+|pooler|classifier)$"


def line(metric):
    return ("Run History Line Plot", metric)


def bars(metric):
    return ("Bar Chart", metric)


NOTE = ("Markdown Panel", "")
SECTIONS = {
    "scores": [bars("test_at_best"), SCORE, bars("val_best"), line("val/score")],
    "failed runs": [bars("failed"), line("val/score"), line("train/loss")],
    "bias ratio": [
        *(BIAS, NOTE, line(f"^bias_ratio/{EVERY}")),
        *(line(f"bias_ratio/{layer}") for layer in LAYERS),
    ],
    "weight change": [
        line(f"^weight_change/{EVERY}"),
        *(line(f"weight_change/{layer}") for layer in LAYERS),
    ],
    "losses and learning rate": [line("train/loss"), line("val/loss"), line("train/lr")],
}
OF_A_TASK = [
    *(NOTE, bars("test_at_best"), SCORE, bars("val_best"), bars("failed"), line("val/score")),
    *(BIAS, line("weight_change/classifier"), line("train/loss")),
]
OF_THE_DATA = [
    *(bars(f"splits.{part}.rows") for part in ("train", "val", "test")),
    *(bars(f"majority.{part}") for part in ("val", "test")),
]
GRIDS = {
    "table1": [OF_A_TASK] * 12,
    "table2": [OF_A_TASK] * 4,
    "table3": [OF_THE_DATA],
    "table4": [OF_A_TASK] * 4,
    "table5": [OF_A_TASK],
    "table6": [[bars("test_at_best"), SCORE, bars("steps"), line("train/lr")]],
    "table7": [OF_A_TASK] * 4,
}


@pytest.fixture
def env(tmp_path):
    """An environment that knows no server and no login."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    nobody = {"NETRC": str(tmp_path / "netrc"), "WANDB_BASE_URL": "http://127.0.0.1:9"}
    return kept | nobody | {"WANDB_DIR": str(tmp_path), "WANDB_ERROR_REPORTING": "false"}


@pytest.fixture
def server():
    with WandbServer() as server:
        yield server
        assert server.unknown == []


def stablebert(env, *words):
    command = [sys.executable, "-m", "stablebert", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def made(tmp_path):
    """Makes it with these words, as JSON."""

    def make(*words):
        file = tmp_path / "made.json"
        assert main(["dashboard", "ent/proj", "--json", str(file), *words]) == 0
        return json.loads(file.read_text("utf-8"))

    return make


def sections_of(spec):
    found = spec["section"]["panelBankConfig"]["sections"]
    return {section["name"]: section["panels"] for section in found}


def grids_of(report):
    blocks = report["spec"]["blocks"]
    return [block["metadata"] for block in blocks if block["type"] == "panel-grid"]


def panels_of(grid):
    return grid["panelBankSectionConfig"]["panels"]


def names_in(panel):
    """Names of metrics that a panel draws: a regular expression, or some with spaces between."""
    config = panel["config"]
    names = config.get("metrics") or config.get("fieldSettings", {}).values()
    return config.get("metricRegex") or " ".join(sorted(names))


def shapes(panels):
    return [(panel["viewType"], names_in(panel)) for panel in panels]


def keys_of(nested, above=""):
    """Every key, with those above it."""
    for key, value in nested.items():
        yield above + key
        if isinstance(value, dict):
            yield from keys_of(value, f"{above}{key}.")


def test_sections_and_reports(env, made):
    found = made("--layers", "2")
    board = found["workspace"]["spec"]
    assert (found["workspace"]["displayName"], found["workspace"]["name"]) == (
        "stablebert",
        "nw-stablebert-v",
    )
    assert {name: shapes(panels) for name, panels in sections_of(board).items()} == SECTIONS
    assert board["section"]["settings"]["xAxis"] == STEP
    titles = [report["displayName"] for report in found["reports"]]
    assert [re.search(r"Table (\d)", title)[1] for title in titles] == list("1234567")
    for table, report in zip(GRIDS, found["reports"], strict=True):
        assert [shapes(panels_of(grid)) for grid in grids_of(report)] == GRIDS[table], table
    panels = [p for part in sections_of(board).values() for p in part]
    panels += [
        p for report in found["reports"] for grid in grids_of(report) for p in panels_of(grid)
    ]
    ways = {
        (p["viewType"], p["config"].get("groupAgg"), p["config"].get("groupArea")) for p in panels
    }
    assert ways - {("Vega2", None, None), ("Markdown Panel", None, None)} == {
        ("Bar Chart", "mean", "stderr"),
        ("Run History Line Plot", "mean", "stddev"),
        ("Run History Line Plot", "mean", "samples"),
    }
    assert not [p for p in panels if "groupBy" in p["config"]]  # they follow the runs table
    # to the last id, also where there is no server to ask and nobody is logged in
    code, out, err = stablebert(env, "dashboard", "ent/proj", "--layers", "2", "--json", "-")
    assert (code, err, json.loads(out)) == (0, "", found)
    (only,) = made("--report", "table7", "--sweep", "ent/proj/v3x")["reports"]
    assert only["displayName"] == "stablebert v3x: Table 7: other pre-trained models"
    assert made("--report", "none")["reports"] == []
    more = sections_of(made("--report", "none", "--layers", "24")["workspace"]["spec"])
    assert len(more["weight change"]) == 1 + 24 + 3


def test_everything_drawn_is_logged(tiny_bert, tiny_glue, tmp_path, server, made):
    run = [
        *("task=rte", "scale=mini", f"data.source={tiny_glue}", f"model.name={tiny_bert}"),
        *("trainer.max_steps=10", f"paths.runs={tmp_path}", f"paths.cache={tmp_path}/cache"),
        *("wandb.mode=online", "wandb.entity=ent", "wandb.project=proj", "wandb.tags=[table1]"),
    ]
    code, _, err = stablebert(server.env(tmp_path), "train", *run)
    assert code == 0, err
    (shown,) = server.runs()
    history = {key for row in shown.history for key in row}
    summary, config = set(keys_of(shown.summary)), set(keys_of(shown.config))
    found = made("--layers", "2")
    board = found["workspace"]["spec"]["section"]
    grids = [grid for report in found["reports"] for grid in grids_of(report)]
    panels = [p for panels in sections_of({"section": board}).values() for p in panels]
    panels += [panel for grid in grids for panel in panels_of(grid)]
    for panel in panels:
        names = set(names_in(panel).split())
        if "metricRegex" in panel["config"]:
            matches = {k for k in history if re.search(panel["config"]["metricRegex"], k)}
            assert {name.partition("/")[2] for name in matches} == set(LAYERS)
        elif panel["viewType"] == "Run History Line Plot":
            assert names | {panel["config"]["xAxis"]} <= history, panel
        else:
            assert names <= summary, panel
    sets = board["runSets"] + [grid["runSets"][0] for grid in grids]
    keys = [key for found in sets for key in found["grouping"]]
    keys += [f["key"] for found in sets for f in found["filters"]["filters"]]
    # W&B keeps a value of the configuration under `value`, which comes after the first part
    named = {re.sub(r"\.value\b", "", k["name"]) for k in keys if k["section"] == "config"}
    assert named == {*dashboard.CELL, "trainer.precision", "model.name"} <= config
    assert {k["name"] for k in keys if k["section"] != "config"} == {"tags"}
    assert "table1" in shown.tags
    columns = board["runSets"][0]["runFeed"]["columnOrder"][2:]  # after the name and the state
    known = {"config": {f"{key}.value" for key in config}, "summary": summary}
    assert all(name in known[part] for part, _, name in (c.partition(":") for c in columns))


def test_the_chart_takes_what_panels_give_it(made):
    found = made()
    text = json.dumps(found["chart"]["spec"])
    asked = {kind: set(re.findall(rf"\${{{kind}:(\w+)}}", text)) for kind in ("field", "string")}
    charts = [p for p in sections_of(found["workspace"]["spec"])["scores"] if "Vega" in str(p)]
    charts += [p for grid in grids_of(found["reports"][1]) for p in panels_of(grid)[2:3]]
    assert len(charts) == 1 + 4
    for panel in (panel["config"] for panel in charts):
        assert set(panel["fieldSettings"]) == asked["field"]
        assert set(panel["stringSettings"]) == asked["string"]
        assert panel["panelDefId"] == f"ent/{found['chart']['name']}"
        (query,) = panel["userQuery"]["queryFields"]
        (wanted,) = [field for field in query["fields"] if field["name"] == "summary"]
        assert wanted["args"] == [{"name": "keys", "value": list(panel["fieldSettings"].values())}]


def test_runs_of_a_report(made):
    filters = {}
    for report in made()["reports"] + made("--report", "table1", "--sweep", "v3x")["reports"]:
        first = grids_of(report)[0]["runSets"][0]["filters"]["filters"]
        name = re.sub("(.*)Table (.):.*", r"\1\2", report["displayName"])
        filters[name] = {f["key"]["name"]: f["value"] for f in first}
    tasks = sorted({p.task for p in paper() if p.table == "3"})
    small = ["cola", "mrpc", "rte", "stsb"]
    assert filters == {
        "stablebert: 1": {"tags": ["table1"], "task.value": ["rte"]},
        "stablebert: 2": {"tags": ["table2"], "task.value": ["rte"]},
        "stablebert: 3": {"task.value": tasks},
        "stablebert: 4": {"method.value": ["standard"], "task.value": ["cola"]},
        "stablebert: 5": {"method.value": ["bert_adam", "standard"], "task.value": ["mnli"]},
        "stablebert: 6": {"task.value": small},
        "stablebert: 7": {"tags": ["table7"], "task.value": ["rte"]},
        "stablebert v3x: 1": {"sweep": ["v3x"], "task.value": ["rte"]},
    }


@pytest.mark.parametrize("table", GRIDS)
def test_a_report_has_every_number_of_its_table(table, made):
    (report,) = made("--report", table)["reports"]
    (whole,) = [b["content"] for b in report["spec"]["blocks"] if b["type"] == "markdown-block"]
    header, _, *rows = [row.strip("| ").split(" | ") for row in f" {whole}".splitlines()]
    printed = [p for p in paper() if f"table{p.table}" == table]
    cells = [cell for row in rows for cell in row]
    for p in printed:
        assert p.text in cells
        assert p.task in header
    assert len({(p.row, p.length, p.statistic) for p in printed}) == len(rows)
    if table == "table1":
        beside = panels_of(grids_of(report)[-1])[0]["config"]["value"]
        assert beside.splitlines()[2:] == [
            "|  | length | mnli_1k |",
            "| --- | --- | --- |",
            "| Standard | 3epochs | 52.2 ± 4.2 |",
            "| Standard | longer | 67.5 ± 1.1 |",
            "| Re-init | 3epochs | 66.4 ± 0.6 |",
            "| Re-init | longer | 68.8 ± 0.5 |",
        ]


# through the package's own model, in a process of its own: the client remembers its server
READ = """
import sys
from wandb_workspaces.reports.v2 import Report
from wandb_workspaces.workspaces import Workspace
board, *reports = sys.argv[1:]
for found in (Workspace.from_url(board), *map(Report.from_url, reports)):
    print(found._to_model().model_dump_json(by_alias=True, exclude_none=True))
"""


def test_saved_and_updated_and_read_back(server, tmp_path, made):
    known = server.env(tmp_path)
    for layers in ("3", "2"):  # the second time updates, whatever a table was said to be about
        for view in server.views.values():
            view["displayName"] = view["displayName"].replace("the data", "the rows")
        code, out, err = stablebert(known, "dashboard", "ent/proj", "--layers", layers)
        assert code == 0, err
        assert len(server.views) == 8
    urls = out.split()
    assert urls[0] == f"{server.url}/ent/proj?nw=stablebert"
    assert len(urls) == 8
    found = made("--layers", "2")
    read = subprocess.run([sys.executable, "-c", READ, *urls], env=known, capture_output=True)
    board, *reports = map(json.loads, read.stdout.splitlines())
    assert sections_of(board["spec"]) == sections_of(found["workspace"]["spec"])
    for part in ("runSets", "settings"):
        assert board["spec"]["section"][part] == found["workspace"]["spec"]["section"][part]
    for report, spec in zip(reports, found["reports"], strict=True):
        assert report["displayName"] == spec["displayName"]
        assert list(map(panels_of, grids_of(report))) == list(map(panels_of, grids_of(spec)))
        for grid, sent in zip(grids_of(report), grids_of(spec), strict=True):
            (back,), (sent,) = grid["runSets"], sent["runSets"]
            assert back["project"] == {"name": "proj", "entityName": "ent", "id": "proj"}
            assert [back[k] for k in ("id", "filters", "grouping")] == [
                sent[k] for k in ("id", "filters", "grouping")
            ]
    assert list(server.charts) == [f"ent/{found['chart']['name']}"]
    code, out, _ = stablebert(
        known, "dashboard", "ent/proj", "--report", "table7", "--sweep", "v-v"
    )
    assert (code, out) == (1, "")
    code, out, _ = stablebert(
        known, "dashboard", "ent/proj", "--report", "table7", "--sweep", "v3x"
    )
    assert (code, len(out.split()), len(server.views)) == (0, 2, 8 + 2)
    assert out.split()[0].endswith("?nw=stablebertv3x")


def test_what_cannot_be_done_is_told(server, tmp_path, env):
    known = server.env(tmp_path)
    code, _, err = stablebert(known, "dashboard", "proj")
    assert (code, err) == (1, "stablebert dashboard: proj: a project is named ENTITY/PROJECT\n")
    away = f"{tmp_path}/away/x.json"
    code, _, err = stablebert(env, "dashboard", "e/p", "--report", "none", "--json", away)
    assert (code, err) == (1, f"stablebert dashboard: --json {away}: No such file or directory\n")
    code, _, err = stablebert(env | {"WANDB_BASE_URL": server.url}, "dashboard", "ent/proj")
    assert code == 1
    assert err == (
        f"stablebert dashboard: nobody is logged in on {server.url}: `wandb login`, or set "
        "WANDB_API_KEY\n"
    )
    server.fail("UpsertView2", 403, n=50)
    code, _, err = stablebert(known, "dashboard", "ent/proj")
    assert (code, "ent/proj: " in err, "Traceback" in err) == (1, True, False)
    server.faults.clear()
    server.stop()
    code, _, err = stablebert(known, "dashboard", "ent/proj")
    server.start()
    assert code == 1
    assert "W&B does not answer" in err
    assert "--json FILE" in err
    assert server.views == {}


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    dashboard._modules.cache_clear()
    assert main(["dashboard", "ent/proj", "--json", "-"]) == 1
    assert "pip install 'stablebert[dashboard]'" in capsys.readouterr().err
