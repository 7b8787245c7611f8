"""Agents of a sweep: real agents and clients, a loopback server."""

import json
import signal

import pytest

from tests.helpers.sweeps import HANG_SECONDS, rows_of, wait_until

pytestmark = pytest.mark.slow


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


def test_an_invalid_run_fails_in_wandb_with_its_error(home, server):
    file = home.write_sweep(task=["rte"], method=["none_such"], seed=[0])
    status, _ = home.run("agent", home.create_sweep(file))
    (run,) = server.runs()
    assert (status, run.state) == (1, "failed")
    assert "none_such" in run.summary["error"]


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
