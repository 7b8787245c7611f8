import sys
from types import SimpleNamespace

import pytest

from stablebert.errors import mask_credentials
from stablebert.tracking import client, wandb_internals
from stablebert.tracking.client import (
    UnknownLoginError,
    connection_problem,
    login_problem,
    server_url,
    usage_problem,
)
from tests.helpers.wandb_server import DRIP, NOT_JSON, WandbServer

# the client remembers the environment in which it was first asked for a key
pytestmark = pytest.mark.usefixtures("use_wandb")


def test_the_server_is_the_one_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert server_url() == "http://127.0.0.1:9"


@pytest.mark.parametrize("url", ["dead_url", "silent_url"])
def test_a_server_that_does_not_answer_is_named_with_the_reason(url, request, monkeypatch):
    monkeypatch.setattr(client, "PROBE_SECONDS", 0.2)  # short on purpose
    address = request.getfixturevalue(url)
    assert connection_problem(address).startswith(f"{address}: ")


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 302, 308, 400])
def test_an_api_that_answers_anything_is_available(server, status):
    server.fail("/graphql", status)
    assert connection_problem(server.url) == ""


@pytest.mark.slow
@pytest.mark.parametrize("fault", [404, 429, 500, 503, DRIP, NOT_JSON])
def test_an_api_that_fails_behind_a_working_front_page_is_named(server, monkeypatch, fault):
    monkeypatch.setattr(client, "PROBE_SECONDS", 1)  # short on purpose
    server.fail("/graphql", fault)
    assert connection_problem(server.url).startswith(f"{server.url}: ")


@pytest.mark.slow
@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_is_a_problem_with_a_remedy(server, status):
    server.fail("/graphql", status)
    assert "rejects the API key" in connection_problem(server.url)


@pytest.mark.slow
def test_the_key_is_sent_to_the_server_only(server, use_wandb, tmp_path):
    use_wandb(server.env(tmp_path))
    with WandbServer() as other:
        server.redirection = other.url
        server.fail("/graphql", 302)
        assert connection_problem(server.url) == ""
        assert other.requests == []


@pytest.mark.parametrize("error", [ImportError, AttributeError, TypeError])
def test_a_version_without_the_private_function_is_unknown(monkeypatch, error):
    def has_api_key(url):
        raise error

    monkeypatch.setattr(client, "has_api_key", has_api_key)
    with pytest.raises(UnknownLoginError):
        login_problem("http://127.0.0.1:9")


def test_a_malformed_key_is_a_problem(use_wandb):
    use_wandb({"WANDB_API_KEY": "short"})
    assert "`wandb login`" in login_problem("http://127.0.0.1:9")


def test_a_key_is_found_without_asking_the_server(use_wandb, dead_url):
    use_wandb({"WANDB_API_KEY": "5ec2e7" * 7})
    assert wandb_internals.has_api_key(dead_url)


@pytest.mark.parametrize(("is_terminal", "key"), [(True, False), (True, True), (False, False)])
def test_a_version_that_cannot_be_asked_for_the_login_never_prompts(
    monkeypatch, use_wandb, is_terminal, key
):
    def has_api_key(url):
        raise ImportError

    use_wandb({"WANDB_API_KEY": "5ec2e7" * 7} if key else {})
    monkeypatch.setattr(client, "has_api_key", has_api_key)
    monkeypatch.setattr(client, "connection_problem", lambda url: "asked the server")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: is_terminal))
    expected = "set WANDB_API_KEY" if is_terminal and not key else "asked the server"
    assert usage_problem().endswith(expected)


@pytest.mark.slow
def test_a_password_in_the_address_is_not_a_part_of_the_host(server):
    assert connection_problem(server.url.replace("://", "://me:5ec2e7@")) == ""


def test_a_password_in_an_address_without_a_port_is_never_shown(monkeypatch, dead_url):
    monkeypatch.setenv("http_proxy", dead_url)  # no name is looked up
    problem = connection_problem("http://me:5ec2e7@host.invalid")
    assert "5ec2e7" not in mask_credentials(problem)


@pytest.mark.parametrize(
    "url", ["http://me:5ec2e7@127.0.0.1:9", "ftp://x", "no address", "http://["]
)
def test_an_address_that_cannot_be_used_is_a_problem(url):
    assert connection_problem(url)
