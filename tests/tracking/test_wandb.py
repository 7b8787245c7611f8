"""Sweeps in W&B from end to end: the real client, real agents, a server on 127.0.0.1."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from operator import itemgetter
from pathlib import Path

import pytest
import yaml

from stablebert.config.sweep import read_sweep
from stablebert.tracking.mirror import STEP
from tests.helpers.wandb_server import WandbServer

BIN = Path(sys.executable).parent
# agents ask every five seconds otherwise
FAST = """
import sys
if "agent" in sys.orig_argv and "wandb" in sys.orig_argv:
    import wandb.wandb_agent
    wandb.wandb_agent.Agent.POLL_INTERVAL = 0.2
"""


@pytest.fixture
def server():
    with WandbServer() as server:
        yield server
        assert server.unknown == []


@pytest.fixture
def home(tmp_path, server, monkeypatch):
    """Where everything is done, and the environment that it is done in."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(FAST)
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name, value in server.env(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}/site:{Path(__file__).parents[2]}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sweep_file(home, tiny_bert, tiny_glue):
    """Writes a sweep of tiny runs."""

    def write(**values):
        fixed = {
            **{"scale": "mini", "data.source": str(tiny_glue), "model.name": str(tiny_bert)},
            **{"paths.runs": f"{home}/runs", "paths.cache": f"{home}/cache"},
            **{"trainer.max_steps": 12, "trainer.threads": 1},
        }
        shipped = yaml.safe_load((Path(__file__).parents[2] / "sweeps/table1.yaml").read_text())
        parameters = {k: {"values": v} for k, v in values.items()}
        parameters |= {k: {"value": v} for k, v in fixed.items() if k not in values}
        (home / "tiny.yaml").write_text(yaml.safe_dump(shipped | {"parameters": parameters}))
        return home / "tiny.yaml"

    return write


def start(*words):
    command = [sys.executable, "-m", "stablebert", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def stablebert(*words):
    child = start(*words)
    out, _ = child.communicate(timeout=240)
    return child.returncode, out


def wandb(*words):
    command = [BIN / "wandb", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout + done.stderr


def create(file):
    return re.search(r"wandb agent (\S+)", wandb("sweep", "-e", "ent", "-p", "proj", file))[1]


def history(folder):
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [{STEP: line.pop("step"), **line} for line in map(json.loads, lines)]


def test_two_agents_run_a_sweep_and_a_failing_run_does_not_stop_the_rest(home, server, sweep_file):
    file = sweep_file(**{"task": ["rte", "stsb"], "data.max_length": [128, 129], "seed": [0]})
    path = create(file)
    code, out = stablebert("agent", path, "--agents", "2")
    assert code == 1  # an agent alone says 0
    assert f"{path}: 2 failed, 2 finished" in out
    assert "Traceback" in out  # of the two that are to fail
    assert "AlreadyJoinedError" not in out
    runs = server.runs()
    assert len(runs) == len({json.dumps(r.args, sort_keys=True) for r in runs}) == 4
    assert len({r.agent for r in runs}) == 2
    expected = {}
    for cfg in read_sweep(str(file)).configs():
        if cfg.data.max_length == 128:
            (folder,) = home.glob(f"runs/mini/{cfg.task}/standard/*/seed{cfg.seed}/result.json")
            expected[cfg.task, cfg.seed] = folder.parent
    for run in runs:
        key = (run.config["task"], run.config["seed"])
        assert run.display_name == f"{key[0]}/standard/seed{key[1]}"
        assert run.group == f"{key[0]}/standard"
        assert {"mini", "3epochs", "table1"} <= set(run.tags)
        if run.config["data.max_length"] == 129:
            assert (run.state, run.exitcode) == ("failed", 1)
            assert "has 128 positions" in run.summary["error"]
            continue
        assert (run.state, run.exitcode) == ("finished", 0)
        folder = expected.pop(key)
        assert run.config["config_id"] == folder.parent.name
        assert run.history == history(folder)
        assert {"bias_ratio/layer_01", "weight_change/pooler", "train/lr"} <= run.history[-1].keys()
        assert run.files["result.json"] == (folder / "result.json").read_bytes()
        record = json.loads(run.files["result.json"])
        assert run.summary["test_at_best"] == record["test_at_best"]
        assert run.summary["predictions"] == record["predictions"]
    assert not expected

    # the grid shares what the sweep has finished
    good = ["grid", file, "data.max_length=128"]
    code, out = stablebert(*good, "--dry-run")
    assert "2 runs, 2 done" in out
    # and what the sweep lacks is told and run
    code, out = stablebert(*good, "seed=0,2", "--missing-of", path, "--workers", "1")
    assert code == 0, out
    assert f"{path} is missing 2 of 4 runs" in out
    assert len(re.findall(r"^  mini (rte|stsb) standard 3epochs \w+: seed2$", out, re.M)) == 2
    assert "[2/2]" in out

    # its records, checked against its grid
    code, out = stablebert("collect", home / "x.jsonl", "--from-wandb", path)
    assert code == 0, out
    assert out.count("not finished") == 2
    collected = [json.loads(line) for line in (home / "x.jsonl").read_text().splitlines()]
    ours = [json.loads(p.read_text()) for p in home.glob("runs/mini/*/*/*/seed0/result.json")]
    assert sorted(collected, key=itemgetter("task")) == sorted(ours, key=itemgetter("task"))
    run = next(run for run in runs if run.state == "finished")
    run.summary["config_id"] = "0123456789"
    code, out = stablebert("collect", home / "y.jsonl", "--from-wandb", path)
    assert code == 1
    assert "refused: mini" in out
    assert "the sweep's grid has no such run" in out
    assert len((home / "y.jsonl").read_text().splitlines()) == 1


def test_a_run_that_is_pre_empted_is_finished_by_another_agent(home, server, sweep_file):
    path = create(sweep_file(**{"task": ["rte"], "seed": [0], "trainer.max_steps": [600]}))
    first = start("agent", path)
    wait_for(lambda: any(p.stat().st_size for p in home.rglob("history.jsonl.*.part")), first)
    first.send_signal(signal.SIGTERM)
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 143, out
    (run,) = server.runs()
    assert (run.state, run.exitcode) == ("preempted", 143)
    shown = run.history
    assert not list(home.rglob("result.json"))
    code, out = stablebert("agent", path)
    assert code == 0, out
    assert (run.state, run.exitcode, run.handed_out) == ("finished", 0, 2)
    (result,) = home.glob("runs/**/result.json")
    assert run.history == history(result.parent)  # each step once
    assert run.history[: len(shown)] == shown
    assert shown


def test_a_run_that_is_done_shows_what_is_stored(home, server, sweep_file):
    file = sweep_file(task=["rte"], seed=[0])
    assert stablebert("grid", file, "--workers", "1")[0] == 0
    (result,) = home.glob("runs/**/result.json")
    before = result.stat().st_mtime_ns
    code, out = stablebert("agent", create(file))
    assert code == 0, out
    assert "done already" in out
    (run,) = server.runs()
    assert run.history == history(result.parent)
    assert run.files["result.json"] == result.read_bytes()
    assert result.stat().st_mtime_ns == before


def test_words_that_make_no_sense_fail_in_wandb_too(home, server, sweep_file):
    path = create(sweep_file(task=["rte"], method=["none_such"], seed=[0]))
    code, out = stablebert("agent", path)
    assert code == 1
    (run,) = server.runs()
    assert run.state == "failed"
    assert "none_such" in run.summary["error"]
    code, out = stablebert("collect", home / "x.jsonl", "--from-wandb", path)
    assert code == 2
    assert "none_such" in out


def test_a_server_that_restarts_loses_nothing(home, server, sweep_file):
    file = sweep_file(task=["rte"], seed=[0])
    (cfg,) = read_sweep(str(file)).combinations()
    words = [f"{k}={v}" for k, v in (cfg | {"trainer.max_steps": 600}).items()]
    child = start("train", *words, "wandb.mode=online", "wandb.entity=ent")
    wait_for(lambda: any(p.stat().st_size for p in home.rglob("history.jsonl.*.part")), child)
    server.stop()
    wait_for(lambda: list(home.rglob("result.json")), child)  # nothing waits for it
    server.start()
    out, _ = child.communicate(timeout=120)
    assert child.returncode == 0, out
    (run,) = server.runs()
    (result,) = home.glob("runs/**/result.json")
    assert run.state == "finished"
    assert run.history == history(result.parent)


def test_a_client_that_is_killed_costs_nothing(home, server, sweep_file):
    file = sweep_file(task=["rte"], seed=[0])
    (cfg,) = read_sweep(str(file)).combinations()
    words = [f"{k}={v}" for k, v in (cfg | {"trainer.max_steps": 600}).items()]
    child = start("train", *words, "wandb.mode=online", "wandb.entity=ent")
    core = ["pgrep", "-P", str(child.pid), "-f", "wandb-core"]
    wait_for(lambda: any(p.stat().st_size for p in home.rglob("history.jsonl.*.part")), child)
    (number,) = subprocess.run(core, capture_output=True, text=True).stdout.split()
    os.kill(int(number), signal.SIGKILL)
    out, _ = child.communicate(timeout=120)
    assert child.returncode == 0, out
    (result,) = home.glob("runs/**/result.json")
    assert json.loads(result.read_text())["steps"] == 600
    assert out.count("W&B failed; the run continues without it") == 1


def test_offline_the_sweep_runs_too_and_is_synced_later(home, server, sweep_file, monkeypatch):
    path = create(sweep_file(task=["rte"], seed=[0, 1]))
    monkeypatch.setenv("WANDB_MODE", "offline")
    code, out = stablebert("agent", path)
    assert code == 0, out
    assert "wandb sync" in out
    assert all(run.state != "finished" and not run.history for run in server.runs())
    monkeypatch.delenv("WANDB_MODE")
    wandb("sync", *home.glob("wandb/offline-run-*"))
    runs = server.runs()
    assert [run.state for run in runs] == ["finished"] * 2
    for run in runs:
        (result,) = home.glob(f"runs/**/seed{run.config['seed']}/result.json")
        assert run.history == history(result.parent)
        assert run.summary["test_at_last"] == json.loads(result.read_text())["test_at_last"]
        assert run.sweep == path.split("/")[-1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["agent", "ent/proj"], "expected ENTITY/PROJECT/SWEEP"),
        (["agent", "ent/proj/none"], "ent/proj/none: "),
        (
            ["grid", "table1", "scale=demo", "task=rte", "--missing-of", "x"],
            "x: expected ENTITY/PROJECT",
        ),
        (["collect", "x.jsonl", "--from-wandb", "ent/proj/none"], "ent/proj/none: "),
    ],
)
def test_a_sweep_that_is_not_there_is_named(home, words, told):
    code, out = stablebert(*words)
    assert code == 1
    assert told in out
    assert "Traceback" not in out


def test_a_server_that_is_down_is_told_at_once(home, server):
    server.stop()
    begun = time.monotonic()
    code, out = stablebert("agent", "ent/proj/x")
    server.start()
    assert code == 1
    assert f"W&B does not answer: {server.url}" in out
    assert time.monotonic() - begun < 20


def wait_for(true, child):
    deadline = time.monotonic() + 120
    while not true():
        assert child.poll() is None, child.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
