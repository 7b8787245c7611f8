"""Fixtures of tests of W&B: a loopback server and a client in this process.

Import them to use them; each importing folder has one server for all of its tests.
"""

import os

import pytest

from stablebert.tracking import outage
from tests.helpers.sweeps import SweepHome
from tests.helpers.wandb_server import WandbServer

__all__ = ["_session_server", "home", "server", "use_wandb"]


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

    monkeypatch.setattr(outage, "_failure_times", [])

    def use(env):
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            monkeypatch.delenv(name)
        for name, value in env.items():
            if name.startswith(("WANDB_", "NETRC", "no_proxy")):
                monkeypatch.setenv(name, value)
        wandb.teardown()

    yield use
    wandb.teardown()


@pytest.fixture
def home(tmp_path, server, tiny_bert, tiny_glue):
    """Folder in which sweeps of tiny runs are executed against the server."""
    return SweepHome(tmp_path, server, data=tiny_glue, model=tiny_bert)
