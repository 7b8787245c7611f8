"""Claims: one holder, dead ones fall at once, silent ones after five minutes."""

import json
import os
import subprocess
import sys
import time

import pytest

from stablebert.runs import claims
from stablebert.runs.claims import CLAIM, STALE, ClaimedError, claimed, is_claimed


def test_one_holder_at_a_time(tmp_path):
    with claimed(tmp_path):
        assert is_claimed(tmp_path)
        with pytest.raises(ClaimedError, match=f"process {os.getpid()} on"), claimed(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []
    with claimed(tmp_path):
        pass


def test_a_block_that_raises_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), claimed(tmp_path):
        1 / 0  # noqa: B018
    assert not is_claimed(tmp_path)


def test_a_dead_holder_s_claim_falls_at_once(tmp_path):
    code = "import sys, os; from pathlib import Path; from stablebert.runs.claims import claimed\n"
    code += "with claimed(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    dead = subprocess.run([sys.executable, "-c", code, tmp_path])
    assert dead.returncode == -9
    assert (tmp_path / CLAIM).exists()
    assert not is_claimed(tmp_path)
    with claimed(tmp_path):
        assert is_claimed(tmp_path)


def test_a_number_that_another_process_got_is_not_the_holder(tmp_path):
    with claimed(tmp_path):
        holder = json.loads((tmp_path / CLAIM).read_text())
    (tmp_path / CLAIM).write_text(json.dumps({**holder, "started": "1"}))
    assert not is_claimed(tmp_path)


def elsewhere(folder, age):
    """A claim of another machine, last touched `age` seconds ago."""
    holder = {"host": "node7", "boot": "b", "namespace": "n", "pid": 1, "token": "t"}
    (folder / CLAIM).write_text(json.dumps(holder))
    touched = time.time() - age
    os.utime(folder / CLAIM, (touched, touched))


def test_another_machine_s_claim_falls_after_five_minutes_of_silence(tmp_path):
    elsewhere(tmp_path, STALE - 20)
    with pytest.raises(ClaimedError, match="process 1 on node7"), claimed(tmp_path):
        pass
    elsewhere(tmp_path, STALE + 20)
    with claimed(tmp_path):
        assert json.loads((tmp_path / CLAIM).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_holder_that_lost_its_claim_leaves_the_new_one(tmp_path):
    with claimed(tmp_path):
        elsewhere(tmp_path, 0)
    assert json.loads((tmp_path / CLAIM).read_text())["host"] == "node7"


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT", 0.01)
    with claimed(tmp_path):
        os.utime(tmp_path / CLAIM, (0, 0))
        deadline = time.monotonic() + 10
        while (tmp_path / CLAIM).stat().st_mtime < 1000:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_torn_claim_is_judged_by_its_age(tmp_path, text):
    (tmp_path / CLAIM).write_text(text)
    assert is_claimed(tmp_path)
    os.utime(tmp_path / CLAIM, (0, 0))
    assert not is_claimed(tmp_path)
