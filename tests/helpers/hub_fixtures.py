"""Fixtures of tests that use a loopback hub; import them to use them."""

import pytest

from stablebert.hub import client as hub_client
from stablebert.hub import limits
from stablebert.ops.checks import hub as hub_check
from tests.helpers.hub_server import BERT, GLUE, Client, Hub, closed_address

__all__ = ["client", "dead_url", "hub", "short_sleeps", "silent_url"]


@pytest.fixture
def hub(tiny_glue, tiny_bert):
    """Loopback hub with GLUE and one model."""
    with Hub({GLUE: tiny_glue, BERT: tiny_bert}) as server:
        yield server


@pytest.fixture
def client(hub, monkeypatch, tmp_path):
    """The hub's client in this process, with an empty cache and long time limits."""
    with monkeypatch.context() as patch:
        for module in (hub_client, limits, hub_check):
            for name in {"PROBE_SECONDS", "SILENCE_SECONDS", "STALL_SECONDS"} & vars(module).keys():
                patch.setattr(module, name, 600)
        yield Client(patch, hub.env(tmp_path / "hf"))
    Client.reload()


@pytest.fixture
def dead_url():
    """Address where nobody listens."""
    url, reserved = closed_address()
    with reserved:
        yield url


@pytest.fixture
def silent_url():
    """Address of a server that accepts connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def short_sleeps(monkeypatch):
    """Sleeps of the client between its own retries cut to 10 ms."""
    import time

    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))
