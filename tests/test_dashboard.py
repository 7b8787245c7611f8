"""The W&B dashboard: what it draws exists, and it is saved once however often it is made."""

import json
import os
import subprocess
import sys

import pytest
from loopback_wandb import WandbServer

from stablebert.cli import main
from stablebert.config import compose
from stablebert.dashboard import paper_table
from stablebert.locate import locate
from stablebert.results import NAMES
from stablebert.tracking import STEP

workspaces = pytest.importorskip("wandb_workspaces.workspaces")

SECTIONS = ["scores", "failed runs", "bias ratio", "weight change", "losses and rates"]


@pytest.fixture
def server(monkeypatch, tmp_path):
    with WandbServer() as server:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            monkeypatch.delenv(name)
        for name, value in server.env(tmp_path).items():
            monkeypatch.setenv(name, value)
        yield server
        assert server.unknown == []


def stablebert(*words):
    command = [sys.executable, "-m", "stablebert", "dashboard", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def panels_of(spec):
    """Every panel in a workspace's or report's specification."""
    if isinstance(spec, str) and spec[:1] == "{":
        spec = json.loads(spec)
    if isinstance(spec, dict):
        if "viewType" in spec and "config" in spec:
            yield spec
        for value in spec.values():
            yield from panels_of(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from panels_of(value)


def names_in(panel):
    config = panel["config"]
    if panel["viewType"] == "Vega2":
        return set(config["fieldSettings"].values()) - {"group"}
    return set(config["metrics"]) | ({config["xAxis"]} if "xAxis" in config else set())


def test_panels_name_only_what_runs_log(tiny_bert, tiny_glue, tmp_path, capsys):
    run = [
        "task=rte", "scale=mini", f"data.source={tiny_glue}", f"model.name={tiny_bert}",
        "trainer.max_steps=10", f"paths.runs={tmp_path}", f"paths.cache={tmp_path}/cache",
    ]  # fmt: skip
    assert main(["train", *run]) == 0
    lines = (locate(compose(run)).folder / "history.jsonl").read_text().splitlines()
    logged = {key for line in lines for key in json.loads(line)} | {STEP}
    capsys.readouterr()
    assert main(["dashboard", "ent/proj", "--layers", "2", "--json", "-"]) == 0
    made = json.loads(capsys.readouterr().out)
    boards = [list(panels_of(made["workspace"])), *map(list, map(panels_of, made["reports"]))]
    assert [len(panels) for panels in boards] == [4 + 2 + 6 + 5 + 3, 8, 8, 8]
    for panel in (panel for panels in boards for panel in panels):
        assert names_in(panel) <= logged | NAMES | {"failed"}, panel
        if "groupBy" in panel["config"]:
            assert panel["config"]["groupBy"] in (
                "method",
                "config:method",
                "method.value",
                "group",
            )
    drawn = set().union(*map(names_in, boards[0]))
    for layer in ("embeddings", "layer_00", "layer_01", "pooler", "classifier"):
        assert {f"bias_ratio/{layer}", f"weight_change/{layer}"} <= drawn
    assert "bias_ratio/analytic" in drawn


def test_a_report_holds_the_papers_numbers():
    table = paper_table(["2"])
    assert table.splitlines()[0] == "| model | method | length | rte | mrpc | stsb | cola |"
    assert (
        "| BERT | mixout | 3epochs | 71.3 ± 1.4 | 90.4 ± 1.4 | 89.2 ± 0.4 | 61.6 ± 1.7 |" in table
    )
    assert len(paper_table(["7"]).splitlines()) == 2 + 8


def test_saved_and_updated_and_read_back(server):
    for _ in range(2):  # the second time updates
        code, out, err = stablebert("ent/proj", "--layers", "2")
        assert code == 0, err
        assert len(server.views) == 4
    urls = out.split()
    assert len(urls) == 4
    board = workspaces.Workspace.from_url(urls[0])
    assert [section.name for section in board.sections] == SECTIONS
    assert board.settings.x_axis == STEP
    titles = {view["displayName"] for view in server.views.values()}
    assert "stablebert: Table 2: the methods of Section 7" in titles
    import wandb_workspaces.reports.v2 as wr

    report = wr.Report.from_url(urls[1])
    assert "69.5 ± 2.5" in next(b.text for b in report.blocks if isinstance(b, wr.MarkdownBlock))
    assert sum(len(b.panels) for b in report.blocks if isinstance(b, wr.PanelGrid)) == 8
    assert list(server.charts) == ["ent/stablebert-distribution"]
    code, out, err = stablebert("ent/proj", "--report", "table7")
    assert (code, len(out.split()), len(server.views)) == (0, 2, 4)


def test_what_cannot_be_done_is_told(server, tmp_path):
    code, _, err = stablebert("proj")
    assert (code, err) == (1, "stablebert dashboard: proj: a project is named ENTITY/PROJECT\n")
    server.fail("UpsertView2", 403, n=50)
    code, _, err = stablebert("ent/proj")
    assert code == 1
    assert "ent/proj: " in err
    assert "Traceback" not in err
    server.faults.clear()
    server.stop()
    code, _, err = stablebert("ent/proj")
    server.start()
    assert code == 1
    assert "W&B does not answer" in err
    assert "--json FILE" in err


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    assert main(["dashboard", "ent/proj", "--json", "-"]) == 1
    assert "pip install 'stablebert[dashboard]'" in capsys.readouterr().err
