import pytest

from stablebert.tracking import client, wandb_internals
from stablebert.tracking.client import (
    UnknownLoginError,
    connection_problem,
    login_problem,
    server_url,
)


def test_the_server_is_the_one_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert server_url() == "http://127.0.0.1:9"


@pytest.mark.parametrize("url", ["dead_url", "silent_url"])
def test_a_server_that_does_not_answer_is_named_with_the_reason(url, request, monkeypatch):
    monkeypatch.setattr(client, "PROBE_SECONDS", 0.2)  # short on purpose
    address = request.getfixturevalue(url)
    assert connection_problem(address).startswith(f"{address}: ")


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 404])
def test_a_server_that_answers_anything_is_available(server, status):
    server.fail("/", status)
    assert connection_problem(server.url) == ""


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
