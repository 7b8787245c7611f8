import pytest

from stablebert.config.compose import compose
from stablebert.ops.checks.wandb import check_wandb
from stablebert.tracking import client as wandb_client

KEY = "5ec2e7" * 7


@pytest.fixture
def check(use_wandb, tmp_path):
    """Function that sets the environment and returns the findings."""

    def run(*overrides, **env):
        use_wandb({"NETRC": f"{tmp_path}/netrc", **env})
        return list(check_wandb(compose(overrides)))

    return run


def test_offline_no_server_is_used(check):
    (finding,) = check(WANDB_MODE="offline")
    assert finding.level == "ok"
    assert "no server is used" in finding.text


def test_an_unknown_mode_is_a_note(check):
    (finding,) = check(WANDB_MODE="ofline")
    assert finding.level == "note"
    assert "expected one of online, offline, disabled" in finding.text


@pytest.mark.slow
def test_a_server_that_answers_is_fine(check, server):
    finding = check(WANDB_MODE="online", WANDB_BASE_URL=server.url)[1]
    assert (finding.level, finding.text) == ("ok", f"W&B: {server.url} answers")


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "level"), [("online", "problem"), ("auto", "note")])
def test_a_missing_login_is_a_problem_only_if_runs_must_be_mirrored(check, server, mode, level):
    finding = check(f"wandb.mode={mode}", WANDB_BASE_URL=server.url)[-1]
    assert finding.level == level
    assert "nobody is logged in" in finding.text


@pytest.mark.slow
def test_a_key_in_the_environment_is_a_login(check, server):
    finding = check("wandb.mode=online", WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)[-1]
    assert finding.level == "ok"
    assert f"logged in to {server.url}" in finding.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("machine", "key", "level"),
    [
        ("127.0.0.1:{port}", KEY, "ok"),
        ("127.0.0.1", KEY, "problem"),  # the client compares the port too
        ("127.0.0.1:{port}", "short", "problem"),
    ],
)
def test_a_key_in_the_netrc_file_is_a_login_if_the_client_accepts_it(
    check, server, tmp_path, machine, key, level
):
    line = f"machine {machine.format(port=server.port)} login user password {key}"
    (tmp_path / "netrc").write_text(line)
    (tmp_path / "netrc").chmod(0o600)
    findings = check("wandb.mode=online", WANDB_BASE_URL=server.url)
    assert findings[-1].level == level


@pytest.mark.slow
@pytest.mark.parametrize("key", [KEY, "short"])
def test_the_key_is_never_printed(check, server, key):
    findings = check("wandb.mode=online", WANDB_BASE_URL=server.url, WANDB_API_KEY=key)
    assert not any(key in finding.text.replace("too short", "") for finding in findings)


@pytest.mark.parametrize("url", ["dead_url", "silent_url"])
def test_a_server_that_does_not_answer_is_a_problem(check, url, request, monkeypatch):
    monkeypatch.setattr(wandb_client, "PROBE_SECONDS", 0.2)  # short on purpose
    address = request.getfixturevalue(url)
    finding = check("wandb.mode=online", WANDB_BASE_URL=address, WANDB_API_KEY=KEY)[1]
    assert finding.level == "problem"
    assert f"W&B: {address}: " in finding.text
    assert "WANDB_MODE=offline" in finding.text
