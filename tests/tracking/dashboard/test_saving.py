"""The dashboard against a loopback W&B server and against the metrics of a real run."""

import json
import re
import subprocess
import sys

import pytest

from stablebert.cli.main import main
from stablebert.tracking.dashboard import DashboardError, print_or_write
from stablebert.tracking.dashboard.selection import CELL_KEYS
from tests.helpers.fork_server import ForkedProgram
from tests.tracking.dashboard import specs

pytest.importorskip("wandb_workspaces")
pytestmark = pytest.mark.slow


@pytest.fixture
def dashboard_command(server, use_wandb, tmp_path, capsys):
    """Function that runs `stablebert dashboard` against the server: status, stdout, stderr."""
    use_wandb(server.env(tmp_path))

    def run(*arguments):
        status = main(["dashboard", *arguments])
        return status, *capsys.readouterr()

    return run


def test_saving_returns_the_address_of_the_workspace_and_of_each_report(dashboard_command, server):
    status, out, _ = dashboard_command("ent/proj", "--layers", "2")
    workspace, *reports = out.split()
    assert (status, workspace) == (0, f"{server.url}/ent/proj?nw=stablebert")
    assert len(reports) == 7


def test_saving_again_updates_whatever_the_subject_of_a_report_was(dashboard_command, server):
    dashboard_command("ent/proj", "--layers", "3")
    for view in server.views.values():
        view["displayName"] = view["displayName"].replace("the data", "the rows")
    before = set(server.views)
    dashboard_command("ent/proj", "--layers", "2")
    assert set(server.views) == before
    assert "stablebert: Table 3: the data" in {v["displayName"] for v in server.views.values()}


def test_the_dashboard_of_a_sweep_is_saved_next_to_the_others(dashboard_command, server):
    dashboard_command("ent/proj", "--report", "table7")
    _, out, _ = dashboard_command("ent/proj", "--report", "table7", "--sweep", "v3x")
    assert len(server.views) == 4
    assert out.split()[0].endswith("?nw=stablebertv3x")


@pytest.fixture
def own_report(dashboard_command, server, tmp_path):
    """JSON of the report of a tasks file with one task, saved twice."""
    entry = {"data": "x", "text": "review", "labels": ["bad", "good"], "title": "My reviews"}
    entry |= {"splits": {"train": "train.csv", "dev": "dev.csv"}}
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps({"tasks": {"mine": entry}}))
    for _ in range(2):
        assert dashboard_command("ent/proj", "--layers", "2", "--tasks", str(file))[0] == 0
    (view,) = [view for view in server.views.values() if "own tasks" in view["displayName"]]
    return view


def test_a_report_of_own_tasks_is_updated_and_names_them(own_report):
    assert own_report["displayName"] == "stablebert: own tasks: mine"


def test_the_panels_of_own_tasks_show_their_runs(own_report):
    blocks = json.loads(own_report["spec"])["blocks"]
    grids = [block["metadata"] for block in blocks if block["type"] == "panel-grid"]
    run_sets = [run_set for grid in grids for run_set in grid["runSets"]]
    assert [run_set["name"] for run_set in run_sets] == ["mine", "mine_1k"]
    assert all(run_set["name"] in json.dumps(run_set["filters"]) for run_set in run_sets)
    assert "My reviews" in json.dumps(blocks)


@pytest.fixture
def saved(dashboard_command, server):
    """JSON of a saved workspace and report, read back from the server by the package itself."""
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.workspaces import Workspace

    from stablebert.tracking.workspaces_internals import to_spec

    _, out, _ = dashboard_command("ent/proj", "--layers", "2", "--report", "table7")
    workspace, report = out.split()
    return to_spec(Workspace.from_url(workspace)), to_spec(Report.from_url(report))


def test_a_saved_workspace_reads_back_unchanged(saved, dashboard):
    read, sent = saved[0]["spec"], dashboard["workspace"]["spec"]
    assert specs.sections_of(read) == specs.sections_of(sent)
    for part in ("runSets", "settings"):
        assert read["section"][part] == sent["section"][part]


def test_a_saved_report_reads_back_unchanged(saved, dashboard):
    read, sent = saved[1], dashboard["reports"][6]
    assert read["displayName"] == sent["displayName"]
    grids = list(zip(specs.grids_of(read), specs.grids_of(sent), strict=True))
    for grid, original in grids:
        assert specs.panels_of(grid) == specs.panels_of(original)
        for key in ("id", "filters", "grouping"):
            assert grid["runSets"][0][key] == original["runSets"][0][key]


def test_a_saved_report_refers_to_the_project(saved):
    projects = [grid["runSets"][0]["project"] for grid in specs.grids_of(saved[1])]
    assert projects == [{"name": "proj", "entityName": "ent", "id": "proj"}] * 4


def test_the_chart_is_saved_once(saved, server, dashboard):
    assert list(server.charts) == [f"ent/{dashboard['chart']['name']}"]


def test_a_refusal_of_the_server_is_reported_without_a_traceback(dashboard_command, server):
    server.fail("UpsertView2", 403, n=50)
    status, _, err = dashboard_command("ent/proj")
    assert (status, server.views) == (1, {})
    assert "ent/proj: " in err
    assert "Traceback" not in err


def test_a_server_that_is_down_is_reported_with_an_alternative(dashboard_command, server):
    server.stop()
    status, _, err = dashboard_command("ent/proj")
    server.start()
    assert status == 1
    assert f"W&B cannot be used: {server.url}: " in err
    assert "--json FILE" in err


def test_a_missing_login_is_reported(server, use_wandb, tmp_path, capsys):
    use_wandb({"NETRC": f"{tmp_path}/netrc", "WANDB_BASE_URL": server.url})
    status = main(["dashboard", "ent/proj"])
    assert (status, capsys.readouterr().err) == (
        1,
        f"stablebert dashboard: W&B cannot be used: nobody is logged in to {server.url}: "
        "`wandb login`, or set WANDB_API_KEY; --json FILE needs no server\n",
    )


def test_json_needs_no_server_and_is_the_same_in_every_process(server, tmp_path, dashboard):
    env = server.env(tmp_path) | {"WANDB_BASE_URL": "http://127.0.0.1:9"}
    env |= {"NETRC": f"{tmp_path}/netrc"}
    del env["WANDB_API_KEY"]
    command = [sys.executable, "-m", "stablebert", "dashboard", "ent/proj", "--layers", "2"]
    done = subprocess.run([*command, "--json", "-"], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == dashboard
    assert server.requests == []


def test_a_file_that_cannot_be_written_is_reported(tmp_path):
    file = f"{tmp_path}/none/x.json"
    with pytest.raises(DashboardError, match=f"^--json {file}: No such file or directory$"):
        print_or_write("{}", file)


# ---------------------------------------------------------------- against a real run


@pytest.fixture(scope="module")
def mirrored_run(_session_server, tiny_bert, tiny_glue, tmp_path_factory):
    """W&B run of a short training, tagged table1."""
    home = tmp_path_factory.mktemp("mirrored")
    _session_server.reset()
    command = [
        *("train", "task=rte", "scale=mini", f"data.source={tiny_glue}", f"model.name={tiny_bert}"),
        *("trainer.max_steps=10", "monitor.representation_change=true"),
        *(f"paths.runs={home}", f"paths.cache={home}/cache"),
        *("wandb.mode=online", "wandb.entity=ent", "wandb.project=proj", "wandb.tags=[table1]"),
    ]
    child = ForkedProgram(command, env=_session_server.env(home), cwd=home)
    output, _ = child.communicate()
    assert child.returncode == 0, output
    (run,) = _session_server.runs()
    return run


def keys_of(nested, prefix=""):
    """Yield every key of nested dictionaries, with the keys above it."""
    for key, value in nested.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from keys_of(value, f"{prefix}{key}.")


def test_every_metric_that_a_line_draws_is_logged(mirrored_run, dashboard):
    metric_names = {key for row in mirrored_run.history for key in row}
    lines = [p for p in specs.all_panels(dashboard) if p["viewType"] == "Run History Line Plot"]
    lines = [panel for panel in lines if "metricRegex" not in panel["config"]]
    for panel in lines:
        assert {*specs.metric_names(panel).split(), panel["config"]["xAxis"]} <= metric_names


def test_every_pattern_matches_each_layer_that_is_logged(mirrored_run, dashboard):
    metric_names = {key for row in mirrored_run.history for key in row}
    patterns = [p["config"].get("metricRegex") for p in specs.all_panels(dashboard)]
    for pattern in filter(None, patterns):
        matches = {key.partition("/")[2] for key in metric_names if re.search(pattern, key)}
        assert matches == set(specs.LAYERS)


def test_every_number_of_bars_and_charts_is_in_the_summary(mirrored_run, dashboard):
    panels = [p for p in specs.all_panels(dashboard) if p["viewType"] in ("Bar Chart", "Vega2")]
    names = {name for panel in panels for name in specs.metric_names(panel).split()}
    assert names <= set(keys_of(mirrored_run.summary))


def test_every_key_that_groups_or_filters_is_in_the_configuration(mirrored_run, dashboard):
    keys = [key for runs in specs.all_run_sets(dashboard) for key in runs["grouping"]]
    keys += [f["key"] for runs in specs.all_run_sets(dashboard) for f in runs["filters"]["filters"]]
    # W&B keeps a value of the configuration under `value`, after the first part of its key.
    names = {re.sub(r"\.value\b", "", k["name"]) for k in keys if k["section"] == "config"}
    assert names == {*CELL_KEYS, "trainer.precision", "model.name"}
    assert names <= set(keys_of(mirrored_run.config))
    assert {k["name"] for k in keys if k["section"] != "config"} == {"tags"}


def test_a_run_carries_the_tag_by_which_reports_find_it(mirrored_run):
    assert "table1" in mirrored_run.tags


def test_every_pinned_column_is_in_the_configuration_or_the_summary(mirrored_run, dashboard):
    (runs,) = dashboard["workspace"]["spec"]["section"]["runSets"]
    known = {
        "config": {f"{key}.value" for key in keys_of(mirrored_run.config)},
        "summary": set(keys_of(mirrored_run.summary)),
    }
    columns = runs["runFeed"]["columnOrder"][2:]  # after the name and the state
    for section, _, name in (column.partition(":") for column in columns):
        assert name in known[section]
