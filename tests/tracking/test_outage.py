"""One failure of W&B sends all processes of a grid offline."""

import math

import pytest

from stablebert.tracking import outage
from stablebert.tracking.outage import (
    remember_failure,
    seconds_since_failure,
    share_outages,
    take_turn,
)


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Function that forgets what this process remembers, so that it is like another one."""
    monkeypatch.delenv(outage.FILE, raising=False)

    def forget():
        monkeypatch.setattr(outage, "_failure_times", [])

    forget()
    return forget


def test_without_a_failure_none_is_remembered():
    with share_outages():
        assert seconds_since_failure() == math.inf


def test_a_failure_is_remembered_without_sharing():
    remember_failure()
    assert seconds_since_failure() < math.inf


def test_a_failure_is_shared_in_the_block_only(forget):
    with share_outages():
        remember_failure()
        forget()
        assert seconds_since_failure() < math.inf
    assert seconds_since_failure() == math.inf


def test_an_inner_block_shares_the_memory_of_the_outer_one(forget):
    with share_outages():
        with share_outages():
            remember_failure()
        forget()
        assert seconds_since_failure() < math.inf


def test_a_process_that_outlives_the_sharing_one_remembers_by_itself(monkeypatch, tmp_path):
    monkeypatch.setenv(outage.FILE, str(tmp_path / "gone" / "file"))
    with take_turn():
        remember_failure()
    assert seconds_since_failure() < math.inf


def test_a_process_that_keeps_its_turn_does_not_block_the_others(monkeypatch):
    monkeypatch.setattr(outage, "TURN_SECONDS", 0)  # short on purpose
    with share_outages(), take_turn(), take_turn():
        pass


@pytest.mark.slow
def test_one_worker_asks_for_all_workers_of_a_grid(home):
    file = home.write_sweep(seed=[0, 1, 2, 3], **{"wandb.mode": ["online"]})
    home.server.fail("/graphql", 500, n=1000)
    status, output = home.run("grid", file, "--workers", "2")
    assert status == 0, output
    assert len(home.results()) == 4
    assert len(list(home.folder.glob("wandb/offline-run-*"))) == 4
    assert len(home.server.requests) == 1
