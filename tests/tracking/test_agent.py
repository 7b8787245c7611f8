"""Agents of a sweep: real agents and clients, a loopback server."""

import json
import signal
from pathlib import Path

import pytest
import yaml

from stablebert.tracking.agent import TRAIN_COMMAND, check_command
from stablebert.tracking.sweeps import SweepError
from tests.helpers.processes import descendants_of, wait_for_end
from tests.helpers.sweeps import HANG_SECONDS, rows_of, wait_until


@pytest.mark.slow
def test_a_preempted_run_is_finished_by_another_agent(home, server):
    values = {"task": ["rte"], "seed": [0], "trainer.max_steps": [600]}
    path = home.create_sweep(home.write_sweep(**values))
    first = home.start("agent", path)
    wait_until(home.has_logged, first)
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=HANG_SECONDS)
    assert first.returncode == 143, output
    (run,) = server.runs()
    assert (run.state, run.exitcode) == ("preempted", 143)
    earlier_rows = run.history
    assert earlier_rows
    assert home.results() == []
    status, output = home.run("agent", path)
    assert status == 0, output
    assert (run.state, run.exitcode, run.handed_out) == ("finished", 0, 2)
    (result,) = home.results()
    assert run.history == rows_of(result)  # each step once
    assert run.history[: len(earlier_rows)] == earlier_rows


@pytest.mark.slow
def test_a_preempted_run_resumes_from_its_checkpoint_and_sends_each_row_once(home, server):
    values = {"task": ["rte"], "seed": [0], "trainer.max_steps": [200]}
    file = home.write_sweep(**values, **{"trainer.checkpoint_minutes": [1e-9]})
    path = home.create_sweep(file)
    first = home.start("agent", path)
    wait_until(home.has_checkpoint, first)
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=HANG_SECONDS)
    assert first.returncode == 143, output
    status, output = home.run("agent", path)
    assert status == 0, output
    assert "resuming from step" in output
    (result,) = home.results()
    (run,) = server.runs()
    assert run.history == rows_of(result)


@pytest.fixture
def intermediate(home):
    """A sweep of one run that starts from another: from MNLI."""
    return home.create_sweep(home.write_sweep(task=["rte"], method=["intermediate"], seed=[0]))


@pytest.mark.slow
def test_the_wandb_run_of_an_agent_is_not_that_of_the_prerequisite(home, server, intermediate):
    status, output = home.run("agent", intermediate)
    assert status == 0, output
    start, result = sorted(home.results(), key=lambda file: "intermediate" in file.parts)
    assert "mnli" in start.parts
    (run,) = server.runs()
    assert run.state == "finished"
    assert run.config["config_id"] == json.loads(result.read_text())["config_id"]
    assert run.history == rows_of(result)


@pytest.mark.slow
def test_an_agent_that_ends_during_the_prerequisite_gives_its_run_back(home, server, intermediate):
    first = home.start("agent", intermediate)
    wait_until(home.has_logged, first)
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=HANG_SECONDS)
    assert first.returncode == 143, output
    assert home.results() == []
    (run,) = server.runs()
    assert (run.state, run.history) == ("preempted", [])
    status, output = home.run("agent", intermediate)
    assert status == 0, output
    assert (run.state, run.handed_out) == ("finished", 2)
    (result,) = home.results("**/intermediate/**")
    assert run.history == rows_of(result)


@pytest.mark.slow
def test_an_invalid_run_fails_in_wandb_with_its_error(home, server):
    file = home.write_sweep(task=["rte"], method=["none_such"], seed=[0])
    status, _ = home.run("agent", home.create_sweep(file))
    (run,) = server.runs()
    assert (status, run.state) == (1, "failed")
    assert "none_such" in run.summary["error"]


@pytest.mark.slow
def test_a_sweep_that_hands_out_no_run_fails_the_command(home, server):
    path = home.create_sweep(home.write_sweep(task=["rte"], seed=[0]))
    server.sweeps[path.split("/")[-1]].todo.clear()
    status, output = home.run("agent", path)
    assert (status, server.runs()) == (1, [])
    assert f"{path}: no run\n" in output


@pytest.mark.slow
def test_offline_runs_belong_to_the_sweep_after_a_sync(home, server):
    path = home.create_sweep(home.write_sweep(task=["rte"], seed=[0]))
    status, output = home.run("agent", path, WANDB_MODE="offline")
    assert status == 0, output
    assert "wandb sync" in output
    assert all(run.state != "finished" and not run.history for run in server.runs())
    home.wandb("sync", *home.folder.glob("wandb/offline-run-*"))
    (run,) = server.runs()
    (result,) = home.results()
    assert (run.state, run.sweep) == ("finished", path.split("/")[-1])
    assert run.history == rows_of(result)
    assert run.summary["test_at_last"] == json.loads(result.read_text())["test_at_last"]


# ---------------------------------------------------------------- ends with all of its processes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_nothing_outlives_an_agent(home, server, number, status):
    path = home.create_sweep(
        home.write_sweep(**{"task": ["rte"], "seed": [0], "trainer.max_steps": [100_000]})
    )
    child = home.start("agent", path)
    wait_until(home.has_logged, child)
    processes = descendants_of(child.pid)
    assert len(processes) >= 3  # W&B's agent, the run, and W&B's service
    child.send_signal(number)
    wait_for_end(processes)
    output, _ = child.communicate()
    assert child.returncode == status, output
    (run,) = server.runs()
    assert run.state == "preempted"  # so the sweep assigns it again


# ---------------------------------------------------------------- commands of a sweep

OVERRIDES = ["wandb.tags=[table1]", "${args_no_hyphens}"]


@pytest.mark.parametrize("overrides", [OVERRIDES, ["trainer.threads=1", *OVERRIDES], []])
def test_the_command_of_a_sweep_is_ours(overrides):
    check_command("ent/proj/x", [*TRAIN_COMMAND, *overrides])


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "echo $WANDB_API_KEY"],
        None,  # W&B's default, which executes the program of the sweep
        "sh -c 'stablebert train'",
        ["${env}", "${interpreter}", "${program}", "${args_no_hyphens}"],
        ["${env}", "${interpreter}", "-m", "stablebert.demo.pretrain", "${args_no_hyphens}"],
        ["${env}", "PYTHONPATH=/tmp", *TRAIN_COMMAND[1:], *OVERRIDES],
        ["/tmp/env", *TRAIN_COMMAND[1:], *OVERRIDES],
        ["${env}", "/tmp/python", *TRAIN_COMMAND[2:], *OVERRIDES],
        ["${env}", "${interpreter}", "-m", "stablebert", "grid", *OVERRIDES],
        [*TRAIN_COMMAND, "wandb.tags=[${envvar:WANDB_API_KEY}]", "${args_no_hyphens}"],
        [*TRAIN_COMMAND, "${envvar:WANDB_API_KEY}"],
        [*TRAIN_COMMAND, "--option", *OVERRIDES],
        [*TRAIN_COMMAND, "no.such.key=1", *OVERRIDES],
        TRAIN_COMMAND[:4],
        [],
    ],
    ids=str,
)
def test_any_other_command_of_a_sweep_is_refused(command):
    with pytest.raises(SweepError, match=r"^ent/proj/x: its command is .*--any-command"):
        check_command("ent/proj/x", command)


@pytest.fixture
def foreign(home):
    """A sweep that writes the API key to a file, by its path in W&B, and the file."""
    file = home.folder / "foreign.yaml"
    sweep = yaml.safe_load(Path(home.write_sweep(task=["rte"], seed=[0])).read_text())
    sweep["command"] = ["sh", "-c", f"echo $WANDB_API_KEY > {home.folder}/stolen"]
    file.write_text(yaml.safe_dump(sweep))
    return home.create_sweep(str(file)), home.folder / "stolen"


@pytest.mark.slow
def test_a_foreign_command_is_not_executed(home, foreign):
    path, stolen = foreign
    status, output = home.run("agent", path)
    assert status == 1
    assert "sh -c echo $WANDB_API_KEY" in output
    assert not stolen.exists()


@pytest.mark.slow
def test_a_foreign_command_is_executed_on_request(home, foreign):
    path, stolen = foreign
    home.run("agent", path, "--any-command", "--count", "1")
    assert stolen.exists()
