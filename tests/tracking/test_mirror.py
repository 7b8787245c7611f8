"""What W&B shows of a run, through its real client; and what its failures cost: nothing."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.runs.record import read_record
from stablebert.tracking.mirror import STEP, Mirror, open_mirror, requested_mode


@pytest.fixture
def words(tiny_bert, tiny_glue, tmp_path_factory, tmp_path, monkeypatch):
    """A run of 20 steps, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    cache = tmp_path_factory.getbasetemp() / "cache-tracking"

    def make(*more):
        return [
            "task=rte", "scale=mini", f"data.source={tiny_glue}", f"model.name={tiny_bert}",
            "trainer.max_steps=20", f"paths.runs={tmp_path}/runs", f"paths.cache={cache}", *more,
        ]  # fmt: skip

    return make


def folder_of(words):
    return locate(compose(words)).folder


def shown(file):
    """Everything in an offline run's file, as `wandb leet inspect` has it."""
    command = [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", file]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


class Fake:
    """A W&B run that remembers, and breaks where it is told to."""

    def __init__(self, breaks="", rows=0):
        self.breaks, self.done, self.summary, self.starting_step = breaks, [], {}, rows

    def __getattr__(self, name):
        def act(*args, **kwargs):
            self.done.append((name, *args, *kwargs.items()))
            if name == self.breaks:
                raise BrokenPipeError("core is gone")

        return act


def test_a_broken_mirror_warns_once_and_is_left_alone(caplog):
    run = Fake(breaks="log")
    mirror = Mirror(lambda: run)
    for step in (1, 2, 3):
        mirror.log({"x": 1.0}, step)
    mirror.crash(ValueError())
    assert [name for name, *_ in run.done] == ["log"]
    assert [r.message for r in caplog.records] == [
        "W&B failed; the run continues without it: core is gone"
    ]


def test_a_step_is_shown_once_and_whole_also_when_the_run_is_handed_out_again():
    run = Fake(rows=4)
    mirror = Mirror(lambda: run)
    for step in range(1, 7):
        mirror.log({"x": 1.0}, step)
        mirror.log({"y": 2.0}, step)
    mirror.log({"x": 1.0}, 7)  # not whole: left to the next attempt
    mirror.preempt()
    assert [args[0] for name, *args in run.done if name == "log"] == [
        {"x": 1.0, "y": 2.0, STEP: step} for step in (5, 6)
    ]


def test_how_a_run_ends(words):
    run, error = Fake(), ValueError("no")
    Mirror(lambda: run).crash(error)
    assert run.summary["error"] == "ValueError: no"
    assert run.done == [("finish", ("exit_code", 1))]
    run = Fake()
    Mirror(lambda: run).preempt()
    assert run.done == [("mark_preempting",), ("finish", ("exit_code", 143))]


def test_when_it_is_wanted(monkeypatch):
    def mode(text="auto"):
        return requested_mode(text)

    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert (mode(), mode("online"), mode("offline"), mode("disabled")) == (
        None, "online", "offline", None,
    )  # fmt: skip
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    assert mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert mode() == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert mode() is None
    assert open_mirror(locate(compose(["task=rte", "scale=demo"]))) is None


def test_offline_holds_the_whole_run_and_then_what_is_stored(words, capsys):
    run = words("wandb.mode=offline", "wandb.tags=[try]", "seed=2")
    assert main(["train", *run]) == 0
    assert main(["train", *run]) == 0
    assert "done already" in capsys.readouterr().out
    folder = folder_of(run)
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    files = sorted(Path("wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2
    for file in files:
        records = shown(file)
        (begun,) = [r["run"] for r in records if r["type"] == "run"]
        assert (begun["display_name"], begun["run_group"]) == ("rte/standard/seed2", "rte/standard")
        assert begun["tags"][:3] == ["mini", "3epochs", "try"]
        seen = [r["history"]["item"] for r in records if r["type"] == "history"]
        wanted = [{STEP: line.pop("step"), **line} for line in map(dict, history)]
        assert [{k: v for k, v in row.items() if k[0] != "_"} for row in seen] == wanted
        assert {"bias_ratio/layer_01", "weight_change/pooler", "val/score"} <= seen[-1].keys()
        config = {
            k: v for r in records if r["type"] == "config" for k, v in r["config"]["update"].items()
        }
        assert config["config_id"] == folder.parent.name
        assert config["optimizer"]["bias_correction"] is config["bias_correction"] is True
        summary = {}
        for r in records:
            summary |= r.get("summary", {}).get("update", {})
        record = read_record(folder)
        assert (summary["test_at_best"], summary["failed"]) == (
            record.test_at_best,
            int(record.status == "failed"),
        )
        assert summary["predictions"] == record.predictions
        best = max(line["val/score"] for line in history if "val/score" in line)
        assert summary["val/score"] == {"max": best}
        assert (file.parent / "files" / "result.json").exists()


def test_a_failure_of_wandb_costs_nothing(words, monkeypatch, caplog):
    import wandb

    def broken(*args, **kwargs):
        raise wandb.errors.CommError("no such luck")

    monkeypatch.setattr(wandb, "init", broken)
    run = words("wandb.mode=offline")
    assert main(["train", *run]) == 0
    assert read_record(folder_of(run)).steps == 20
    assert caplog.text.count("no such luck") == 1


def test_a_server_that_is_down_makes_it_offline_within_seconds(words):
    with socket.socket() as port:  # bound, but nobody listens
        port.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{port.getsockname()[1]}"
        run = ["train", *words("wandb.mode=online", "seed=3")]
        done = subprocess.run(
            [sys.executable, "-m", "stablebert", *run],
            **{"env": os.environ | {"WANDB_BASE_URL": url}, "timeout": 60},
            **{"capture_output": True, "text": True},
        )
    assert done.returncode == 0
    assert done.stderr.count("W&B cannot be used; logging offline") == 1
    assert url in done.stderr
    assert len(list(Path("wandb").glob("offline-run-*"))) == 1
    assert read_record(folder_of(run[1:])).steps == 20
