"""A sweep that two agents have executed, and in which every second run fails."""

import json
import re
from operator import itemgetter

import pytest

from stablebert.cli.main import main
from stablebert.config.sweep import read_sweep
from stablebert.tracking import client
from stablebert.tracking.sweeps import SweepError, WandbSweep, missing_keys, read_wandb_sweep
from tests.helpers.sweeps import SweepHome, rows_of
from tests.helpers.wandb_server import WandbServer


class ExecutedSweep:
    """A sweep that trains two tasks whole, and in a part of the model that does not exist."""

    def __init__(self, home):
        self.home = home
        values = {"task": ["rte", "stsb"], "trainable.patterns": ["[]", "missing"], "seed": [0]}
        self.file = home.write_sweep(**values)
        self.path = home.create_sweep(self.file)
        self.status, self.output = home.run("agent", self.path, "--agents", "2")

    def runs(self, *states):
        """Return the runs of the sweep in one of these states; by default all."""
        runs = [r for r in self.home.server.runs() if r.sweep == self.path.split("/")[-1]]
        return [run for run in runs if not states or run.state in states]

    def result_of(self, run):
        (cfg,) = [
            cfg
            for cfg in read_sweep(self.file).configs()
            if (cfg.task, cfg.trainable.patterns) == (run.config["task"], ())
        ]
        (result,) = self.home.results(f"mini/{cfg.task}/standard/*/seed0")
        return result


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, tiny_glue, tiny_bert):
    with WandbServer() as server:
        folder = tmp_path_factory.mktemp("sweep")
        yield ExecutedSweep(SweepHome(folder, server, data=tiny_glue, model=tiny_bert))
        assert server.unknown == []


@pytest.fixture
def command(sweep, use_wandb, capsys):
    """Function that runs a command in this process: status, stdout, stderr."""
    use_wandb(sweep.home.env)

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


@pytest.mark.slow
def test_failed_runs_do_not_stop_the_others(sweep):
    assert f"{sweep.path}: 2 failed, 2 finished" in sweep.output


@pytest.mark.slow
def test_failed_runs_fail_the_command(sweep):
    assert sweep.status == 1


@pytest.mark.slow
def test_the_traceback_of_a_failed_run_is_printed(sweep):
    assert "Traceback" in sweep.output
    assert "AlreadyJoinedError" not in sweep.output  # of a client that shares its agent's service


@pytest.mark.slow
def test_a_failed_run_shows_its_error(sweep):
    for run in sweep.runs("failed"):
        assert (run.exitcode, run.config["trainable.patterns"]) == (1, "missing")
        assert "missing matches no parameter" in run.summary["error"]


@pytest.mark.slow
def test_no_run_is_executed_twice(sweep):
    arguments = [json.dumps(run.args, sort_keys=True) for run in sweep.runs()]
    assert len(set(arguments)) == len(arguments) == 4


@pytest.mark.slow
def test_both_agents_take_part(sweep):
    assert len({run.agent for run in sweep.runs()}) == 2


@pytest.mark.slow
def test_a_run_is_named_grouped_and_tagged(sweep):
    for run in sweep.runs():
        group = f"{run.config['task']}/standard"
        assert (run.display_name, run.group) == (f"{group}/seed0", group)
        assert {"mini", "3epochs", "table1"} <= set(run.tags)


@pytest.mark.slow
def test_a_finished_run_shows_its_history(sweep):
    for run in sweep.runs("finished"):
        assert run.history == rows_of(sweep.result_of(run))
        assert {"bias_ratio/layer_01", "weight_change/pooler", "train/lr"} <= run.history[-1].keys()


@pytest.mark.slow
def test_a_finished_run_shows_its_record(sweep):
    for run in sweep.runs("finished"):
        result = sweep.result_of(run)
        record = json.loads(result.read_text())
        assert run.config["config_id"] == record["config_id"]
        assert run.files["result.json"] == result.read_bytes()
        for name in ("test_at_best", "predictions"):
            assert run.summary[name] == record[name]


@pytest.mark.slow
def test_a_run_that_is_finished_already_is_mirrored_from_its_files(sweep):
    home = sweep.home
    values = {"task": ["rte"], "trainable.patterns": ["[]"], "seed": [0]}
    path = home.create_sweep(home.write_sweep(**values))
    (result,) = home.results("mini/rte/standard/*/seed0")
    modified = result.stat().st_mtime_ns
    status, output = home.run("agent", path)
    assert status == 0, output
    (run,) = [run for run in home.server.runs() if run.sweep == path.split("/")[-1]]
    assert run.history == rows_of(result)
    assert run.files["result.json"] == result.read_bytes()
    assert result.stat().st_mtime_ns == modified


@pytest.mark.slow
def test_the_grid_counts_what_the_sweep_has_finished(sweep, command):
    _, out, _ = command("grid", sweep.file, "trainable.patterns=[]", "--dry-run")
    assert "2 runs, 2 done" in out


@pytest.mark.slow
def test_the_grid_names_and_executes_the_missing_runs_of_the_sweep(sweep, command):
    options = ["seed=0,2", "--missing-of", sweep.path, "--workers", "1"]
    status, out, err = command("grid", sweep.file, "trainable.patterns=[]", *options)
    assert status == 0
    assert "[2/2]" in out + err
    assert f"{sweep.path} is missing 2 of 4 runs" in out
    assert len(re.findall(r"^  mini (rte|stsb) standard 3epochs \w+: seeds 2$", out, re.M)) == 2


@pytest.mark.slow
def test_a_sweep_that_misses_nothing_leaves_the_grid_nothing_to_run(sweep, command):
    options = ["trainable.patterns=[]", "--missing-of", sweep.path]
    status, out, _ = command("grid", sweep.file, *options)
    assert status == 0
    assert f"{sweep.path} is missing 0 of 2 runs\n" in out
    assert out.endswith("\nnothing to run\n")


@pytest.mark.slow
def test_the_records_of_a_sweep_are_collected_from_wandb(sweep, command, tmp_path):
    status, _, err = command("collect", tmp_path / "x.jsonl", "--from-wandb", sweep.path)
    assert status == 0
    assert err.count("not finished") == 2
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    ours = [json.loads(file.read_text()) for file in sweep.home.results("mini/*/*/*/seed0")]
    assert sorted(map(json.loads, lines), key=itemgetter("task")) == sorted(
        ours, key=itemgetter("task")
    )


@pytest.mark.slow
def test_a_record_of_another_grid_is_rejected(sweep, command, tmp_path, monkeypatch):
    summary = sweep.runs("finished")[0].summary
    monkeypatch.setitem(summary, "config_id", "0123456789")
    monkeypatch.delitem(summary, "digest")
    status, _, err = command("collect", tmp_path / "y.jsonl", "--from-wandb", sweep.path)
    assert status == 1
    assert "the sweep's grid has no such run" in err
    assert len((tmp_path / "y.jsonl").read_text().splitlines()) == 1


@pytest.mark.slow
def test_a_summary_that_is_not_a_record_is_reported(sweep, use_wandb, monkeypatch):
    use_wandb(sweep.home.env)
    monkeypatch.setitem(sweep.runs("finished")[0].summary, "val_best", "high")
    wandb_sweep = read_wandb_sweep(sweep.path)
    assert len(wandb_sweep.records) == 1
    assert "the summary is not a record" in wandb_sweep.problems[0]


@pytest.mark.slow
def test_an_invalid_sweep_is_not_collected(home, use_wandb, tmp_path, capsys):
    path = home.create_sweep(home.write_sweep(task=["rte"], method=["none_such"], seed=[0]))
    use_wandb(home.env)
    assert main(["collect", f"{tmp_path}/x.jsonl", "--from-wandb", path]) == 2
    assert "none_such" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sweep_without_finished_runs_is_not_collected(home, use_wandb, tmp_path, capsys):
    path = home.create_sweep(home.write_sweep(task=["rte"], seed=[0]))
    use_wandb(home.env)
    file = tmp_path / "x.jsonl"
    assert main(["collect", str(file), "--from-wandb", path]) == 1
    assert f"{path}: no records; {file} is not written" in capsys.readouterr().err
    assert not file.exists()


@pytest.mark.slow
def test_a_sweep_that_does_not_exist_is_reported(server, use_wandb, tmp_path):
    use_wandb(server.env(tmp_path))
    with pytest.raises(SweepError, match=r"^ent/proj/none: .*does it exist on "):
        read_wandb_sweep("ent/proj/none")


def test_the_server_is_named_when_the_environment_does_not_name_it(use_wandb, monkeypatch):
    def fail(path):
        raise ValueError("not found")

    use_wandb({})
    monkeypatch.setattr("stablebert.tracking.sweeps.usage_problem", str)
    monkeypatch.setattr("stablebert.tracking.sweeps._query", fail)
    with pytest.raises(SweepError, match=re.escape(f"does it exist on {client.server_url()}?")):
        read_wandb_sweep("ent/proj/none")


@pytest.mark.slow
def test_a_server_that_is_down_is_reported(server, use_wandb, tmp_path):
    use_wandb(server.env(tmp_path))
    server.stop()
    try:
        with pytest.raises(SweepError, match=f"W&B cannot be used: {server.url}"):
            read_wandb_sweep("ent/proj/x")
    finally:
        server.start()


@pytest.mark.slow
def test_a_missing_login_is_reported_with_the_command_that_logs_in(server, use_wandb, tmp_path):
    env = server.env(tmp_path) | {"NETRC": f"{tmp_path}/netrc"}
    del env["WANDB_API_KEY"]
    use_wandb(env)
    with pytest.raises(SweepError, match="`wandb login`, or set WANDB_API_KEY"):
        read_wandb_sweep("ent/proj/x")


@pytest.mark.parametrize("path", ["x", "ent/proj", "ent/proj/sweep/run", "ent/pro j/x"])
def test_a_path_of_another_form_is_refused_before_the_server_is_asked(path, monkeypatch):
    monkeypatch.setattr(client, "_ask_api", None)
    with pytest.raises(SweepError, match="expected ENTITY/PROJECT/SWEEP"):
        read_wandb_sweep(path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["agent", "x"],
        ["grid", "table1", "scale=demo", "task=rte", "--missing-of", "x"],
        ["collect", "x.jsonl", "--from-wandb", "x"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_reports_a_path_of_another_form(arguments, capsys):
    assert main(arguments) == 1
    assert "x: expected ENTITY/PROJECT/SWEEP" in capsys.readouterr().err


def test_runs_that_an_agent_executes_are_not_missing():
    keys = [("a", 0, 0), ("b", 0, 0)]
    assert missing_keys(WandbSweep("ent/proj/x", {}, unfinished_keys={keys[0]}), keys) == [keys[1]]
