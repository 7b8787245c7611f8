"""Claims: one holder at a time; a dead holder's claim expires at once, a silent one's later."""

import json
import os
import subprocess
import sys
import time

import pytest

from stablebert.runs import claims
from stablebert.runs.claims import CLAIM, STALE, ClaimedError, hold_claim, is_claimed


def test_a_claim_has_one_holder_at_a_time(tmp_path):
    with hold_claim(tmp_path):
        assert is_claimed(tmp_path)
        with pytest.raises(ClaimedError, match=f"process {os.getpid()} on"), hold_claim(tmp_path):
            pass


def test_a_released_claim_leaves_no_file(tmp_path):
    with hold_claim(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_raises_releases_the_claim(tmp_path):
    with pytest.raises(ZeroDivisionError), hold_claim(tmp_path):
        1 / 0  # noqa: B018
    assert not is_claimed(tmp_path)


@pytest.mark.parametrize("name", ["history.jsonl.0.part", "claim.json.0.expired"])
def test_a_new_holder_removes_what_a_killed_process_left(tmp_path, name):
    (tmp_path / name).touch()
    with hold_claim(tmp_path):
        assert not (tmp_path / name).exists()


@pytest.mark.slow
def test_the_claim_of_a_dead_process_expires_at_once(tmp_path):
    code = "import sys, os; from pathlib import Path\n"
    code += "from stablebert.runs.claims import hold_claim\n"
    code += "with hold_claim(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, tmp_path])
    assert (tmp_path / CLAIM).exists()
    assert not is_claimed(tmp_path)
    with hold_claim(tmp_path):
        assert is_claimed(tmp_path)


def test_a_process_that_reuses_the_number_is_not_the_holder(tmp_path):
    with hold_claim(tmp_path):
        holder = json.loads((tmp_path / CLAIM).read_text())
    (tmp_path / CLAIM).write_text(json.dumps({**holder, "started": "1"}))
    assert not is_claimed(tmp_path)


def claim_from_elsewhere(folder, age):
    """Write a claim of another machine, last touched `age` seconds ago."""
    holder = {"host": "node7", "boot": "b", "namespace": "n", "pid": 1, "token": "t"}
    (folder / CLAIM).write_text(json.dumps(holder))
    touched = time.time() - age
    os.utime(folder / CLAIM, (touched, touched))


def test_a_recent_claim_of_another_machine_holds(tmp_path):
    claim_from_elsewhere(tmp_path, STALE - 20)
    with pytest.raises(ClaimedError, match="process 1 on node7"), hold_claim(tmp_path):
        pass


def test_a_silent_claim_of_another_machine_expires(tmp_path):
    claim_from_elsewhere(tmp_path, STALE + 20)
    with hold_claim(tmp_path):
        assert json.loads((tmp_path / CLAIM).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_holder_that_lost_its_claim_leaves_the_new_one_alone(tmp_path):
    with hold_claim(tmp_path):
        claim_from_elsewhere(tmp_path, 0)
    assert json.loads((tmp_path / CLAIM).read_text())["host"] == "node7"


def test_a_holder_touches_its_claim(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT", 0.01)
    with hold_claim(tmp_path):
        os.utime(tmp_path / CLAIM, (0, 0))
        deadline = time.monotonic() + 600
        while (tmp_path / CLAIM).stat().st_mtime < 1000:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_claim_is_judged_by_its_age(tmp_path, text):
    (tmp_path / CLAIM).write_text(text)
    assert is_claimed(tmp_path)
    os.utime(tmp_path / CLAIM, (0, 0))
    assert not is_claimed(tmp_path)


def test_a_file_system_without_hard_links_has_claims_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with hold_claim(tmp_path), pytest.raises(ClaimedError), hold_claim(tmp_path):
        pass
    assert not is_claimed(tmp_path)
