"""The mirror of a run, with a fake W&B run, and under faults of client and server."""

import json
import os
import signal
import subprocess

import pytest

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.tracking import client
from stablebert.tracking import mirror as mirror_module
from stablebert.tracking.mirror import STEP, Mirror, open_mirror, requested_mode
from tests.helpers.runs import make_run, store_run_record
from tests.helpers.sweeps import HANG_SECONDS, rows_of, wait_until
from tests.helpers.wandb_server import DRIP

# ---------------------------------------------------------------- a fake W&B run


class FakeRun:
    """A W&B run that records calls and fails in one of them.

    Args:
        broken: Name of the method that raises.
        rows: Rows that W&B already has.
    """

    def __init__(self, broken="", rows=0):
        self.broken, self.calls, self.summary, self.starting_step = broken, [], {}, rows

    def __getattr__(self, name):
        def method(*args, **kwargs):
            self.calls.append((name, *args, *kwargs.items()))
            if name == self.broken:
                raise BrokenPipeError("core is gone")

        return method

    def rows(self):
        return [args[0] for name, *args in self.calls if name == "log"]


def test_a_broken_mirror_warns_once(caplog):
    mirror = Mirror(lambda: FakeRun(broken="log"))
    for step in (1, 2, 3):
        mirror.log({"x": 1.0}, step)
    assert [record.message for record in caplog.records] == [
        "W&B failed; the run continues without it: core is gone (upload what it has on disk with "
        "`wandb sync`)"
    ]


def test_a_broken_mirror_is_not_used_again():
    run = FakeRun(broken="log")
    mirror = Mirror(lambda: run)
    for step in (1, 2, 3):
        mirror.log({"x": 1.0}, step)
    mirror.crash(ValueError())
    assert [name for name, *_ in run.calls] == ["log"]


def test_a_mirror_that_cannot_start_is_broken(caplog):
    mirror = Mirror(lambda: 1 / 0)
    mirror.log({"x": 1.0}, 1)
    mirror.preempt()
    assert caplog.text.count("W&B failed") == 1


def test_the_metrics_of_a_step_are_one_row():
    run = FakeRun()
    mirror = Mirror(lambda: run)
    mirror.log({"x": 1.0}, 1)
    mirror.log({"y": 2.0}, 1)
    mirror.log({"x": 3.0}, 2)
    assert run.rows() == [{"x": 1.0, "y": 2.0, STEP: 1}]


def test_a_run_that_starts_over_sends_only_new_rows():
    run = FakeRun(rows=4)
    mirror = Mirror(lambda: run)
    for step in range(1, 8):
        mirror.log({"x": 1.0}, step)
    assert [row[STEP] for row in run.rows()] == [5, 6]


def test_a_preempted_run_leaves_its_incomplete_row_to_the_next_attempt():
    run = FakeRun()
    mirror = Mirror(lambda: run)
    mirror.log({"x": 1.0}, 1)
    mirror.preempt()
    assert run.calls == [("mark_preempting",), ("finish", ("exit_code", 143))]


def test_a_crashed_run_fails_with_its_error():
    run = FakeRun()
    Mirror(lambda: run).crash(ValueError("no"))
    assert run.summary["error"] == "ValueError: no"
    assert run.calls == [("finish", ("exit_code", 1))]


@pytest.mark.parametrize(
    ("setting", "mode"),
    [("auto", None), ("online", "online"), ("offline", "offline"), ("disabled", None)],
)
def test_the_setting_decides_outside_of_sweeps(monkeypatch, setting, mode):
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    monkeypatch.setenv("WANDB_MODE", "online")
    assert requested_mode(setting) == mode


@pytest.mark.parametrize(
    ("variable", "mode"),
    [("", None), ("online", "online"), ("offline", "offline"), ("disabled", None)],
)
def test_runs_of_an_agent_follow_wandb_mode(monkeypatch, variable, mode):
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    monkeypatch.setenv("WANDB_MODE", variable)
    assert requested_mode("auto") == mode


def test_runs_of_an_agent_are_online_without_wandb_mode(monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    monkeypatch.delenv("WANDB_MODE")
    assert requested_mode("auto") == "online"


def test_a_run_has_no_mirror_unless_requested():
    assert open_mirror(locate(compose(["task=rte", "scale=demo"]))) is None


@pytest.fixture
def mirrored(tmp_path, monkeypatch):
    """Function that mirrors a finished run with a history, and returns its fake W&B run."""
    run, fake = make_run(tmp_path), FakeRun()
    monkeypatch.setattr(mirror_module, "open_mirror", lambda _: Mirror(lambda: fake))
    record = store_run_record(run)

    def mirror_run(history):
        (run.folder / "history.jsonl").write_bytes(history)
        fake.dir = str(tmp_path)
        mirror_module.mirror_finished_run(record, run)
        return fake

    return mirror_run


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"\xff", b'{"x": 1.0}', b'{"step": "1"}', b'{"step": 2, "x": []}']
)
def test_a_damaged_line_of_a_history_is_named_and_left_out(mirrored, caplog, line):
    run = mirrored(b'{"step": 1, "x": 1.0}\n' + line + b'\n{"step": 3, "x": null}\n')
    assert [row[STEP] for row in run.rows()] == [1, 3]
    assert "history.jsonl:2: damaged, left out of the mirror" in caplog.text


# ---------------------------------------------------------------- faults


@pytest.mark.slow
def test_a_failure_of_the_client_costs_no_result(arguments, tmp_path, monkeypatch, caplog):
    import wandb

    def fail(*args, **kwargs):
        raise wandb.errors.CommError("no such luck")

    monkeypatch.setattr(wandb, "init", fail)
    assert main(["train", *arguments(tmp_path, "wandb.mode=offline")]) == 0
    assert len(list(tmp_path.glob("runs/**/result.json"))) == 1
    assert caplog.text.count("no such luck") == 1


@pytest.mark.slow
def test_a_server_that_is_down_makes_the_mirror_offline(
    arguments, tmp_path, use_wandb, dead_url, caplog
):
    use_wandb({"WANDB_BASE_URL": dead_url, "WANDB_DIR": str(tmp_path)})
    assert main(["train", *arguments(tmp_path, "wandb.mode=online", "seed=3")]) == 0
    assert caplog.text.count("W&B cannot be used; logging offline") == 1
    assert dead_url in caplog.text
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("match", "fault"), [("/graphql", DRIP), ("/graphql", 500), ("/graphql", 429), ("/", DRIP)]
)
def test_a_server_whose_api_fails_makes_the_mirrors_offline(
    arguments, tmp_path, server, use_wandb, monkeypatch, caplog, match, fault
):
    """The client alone would wait for minutes, or as long as the server demands."""
    monkeypatch.setattr(client, "PROBE_SECONDS", 1)  # short on purpose
    use_wandb(server.env(tmp_path))
    server.fail(match, fault, n=1000)
    for _ in range(2):  # the second mirrors the finished run
        assert main(["train", *arguments(tmp_path, "wandb.mode=online")]) == 0
    assert caplog.text.count("W&B cannot be used; logging offline") == 2
    assert caplog.text.count("it failed within the last 600 seconds") == 1
    assert len(server.requests) == 1  # only one run has asked
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("fault", [DRIP, 500, 429])
def test_a_server_that_fails_during_a_run_costs_a_limited_time(
    arguments, tmp_path, server, use_wandb, monkeypatch, caplog, fault
):
    monkeypatch.setattr(mirror_module, "FINISH_SECONDS", 1)  # short on purpose
    use_wandb(server.env(tmp_path))
    server.fail("file_stream", fault, n=1000)
    assert main(["train", *arguments(tmp_path, "wandb.mode=online")]) == 0
    assert "W&B failed; the run continues without it: Timed out finishing run" in caplog.text


@pytest.mark.slow
def test_a_missing_login_makes_the_mirror_offline_and_says_what_to_set(
    arguments, tmp_path, server, use_wandb, caplog
):
    env = server.env(tmp_path) | {"NETRC": f"{tmp_path}/netrc"}
    del env["WANDB_API_KEY"]
    use_wandb(env)
    assert main(["train", *arguments(tmp_path, "wandb.mode=online")]) == 0
    assert "`wandb login`, or set WANDB_API_KEY" in caplog.text
    assert server.requests == []


def test_an_error_shows_no_credentials(caplog):
    def fail():
        raise OSError("no answer from https://me:5ec2e7@wandb.example/graphql")

    Mirror(fail)
    assert "https://***@wandb.example" in caplog.text
    assert "5ec2e7" not in caplog.text


def test_the_error_of_a_crashed_run_shows_no_credentials():
    run = FakeRun()
    Mirror(lambda: run).crash(ValueError("no answer from https://me:5ec2e7@hub.example"))
    assert run.summary["error"] == "ValueError: no answer from https://***@hub.example"


@pytest.mark.slow
@pytest.mark.parametrize("fault", [None, 500], ids=["online", "offline"])
def test_the_client_prints_no_credentials(home, fault):
    home.env["WANDB_BASE_URL"] = home.server.url.replace("://", "://me:5ec2e7@")
    if fault:
        home.server.fail("/graphql", fault, n=1000)
    status, output = home.run(*home.train_arguments(task="rte"))
    assert status == 0, output
    assert "http://***@127.0.0.1" in output
    assert "5ec2e7" not in output
    assert [run.state for run in home.server.runs()] == ([] if fault else ["finished"])


@pytest.mark.slow
def test_agents_and_workers_print_no_credentials(home):
    home.env["WANDB_BASE_URL"] = home.server.url.replace("://", "://me:5ec2e7@")
    file = home.write_sweep(seed=[0, 1], **{"wandb.mode": ["online"]})
    path = home.create_sweep(file)
    output = home.run("agent", path, "--count", "1")[1] + home.run("grid", file)[1]
    logs = "".join(log.read_text("utf-8") for log in home.folder.glob("runs/logs/*.log"))
    assert "http://***@127.0.0.1" in logs
    assert "5ec2e7" not in output + logs
    assert len(home.results()) == 2


@pytest.mark.slow
def test_a_server_that_restarts_loses_nothing(home, server):
    child = home.start(*home.train_arguments(**{"task": "rte", "trainer.max_steps": 600}))
    wait_until(home.has_logged, child)
    server.stop()
    wait_until(home.results, child)  # training does not wait for the server
    server.start()
    output, _ = child.communicate(timeout=HANG_SECONDS)
    assert child.returncode == 0, output
    (run,) = server.runs()
    (result,) = home.results()
    assert (run.state, run.history) == ("finished", rows_of(result))


@pytest.mark.slow
def test_a_client_that_is_killed_costs_no_result(home):
    child = home.start(*home.train_arguments(**{"task": "rte", "trainer.max_steps": 600}))
    core = ["pgrep", "-P", str(child.pid), "-f", "wandb-core"]
    wait_until(home.has_logged, child)
    (pid,) = subprocess.run(core, capture_output=True, text=True).stdout.split()
    os.kill(int(pid), signal.SIGKILL)
    output, _ = child.communicate(timeout=HANG_SECONDS)
    assert child.returncode == 0, output
    (result,) = home.results()
    assert json.loads(result.read_text())["steps"] == 600
    assert output.count("W&B failed; the run continues without it") == 1
