"""Fixtures for tests of W&B: one loopback server for all of them, and a client in this process."""

import os

import pytest

from tests.helpers.wandb_server import WandbServer


@pytest.fixture(scope="session")
def _session_server():
    with WandbServer() as server:
        yield server


@pytest.fixture
def server(_session_server):
    """W&B server without runs, sweeps and views; every request must be one that it knows."""
    _session_server.reset()
    yield _session_server
    assert _session_server.unknown == []


@pytest.fixture
def use_wandb(monkeypatch):
    """Function that sets the W&B environment of this process and forgets earlier clients."""
    import wandb

    def use(env):
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            monkeypatch.delenv(name)
        for name, value in env.items():
            if name.startswith(("WANDB_", "NETRC", "no_proxy")):
                monkeypatch.setenv(name, value)
        wandb.teardown()

    yield use
    wandb.teardown()
