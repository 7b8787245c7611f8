"""Claims: one holder at a time; a dead holder's claim expires at once, a silent one's later."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime

import pytest

from stablebert.runs import claims
from stablebert.runs.claims import (
    CLAIM,
    STALE,
    ClaimedError,
    describe_claim,
    hold_claim,
    is_claimed,
)
from stablebert.runs.files import lock_leftover


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


def refuse(*_):
    raise PermissionError("Operation not permitted")


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


def write_text(text):
    return lambda path: path.write_text(text)


@pytest.fixture(
    params=[
        *map(write_text, ["", "{", "[]", '{"pid": 1', "[" * 100_000, "\x00" * 4096]),
        *(write_text(json.dumps({"pid": pid})) for pid in ("x", None, 1.5, -1, 0, 10**30, [1])),
        os.mkfifo,
        os.mkdir,
        lambda path: path.symlink_to(path),
    ]
)
def damaged_folder(request, tmp_path):
    """Folder with something that is no claim in the place of a claim."""
    request.param(tmp_path / CLAIM)
    return tmp_path


def age(path, seconds):
    touched = time.time() - seconds
    os.utime(path, (touched, touched), follow_symlinks=False)


def test_a_damaged_claim_expires_like_any_other(damaged_folder):
    age(damaged_folder / CLAIM, STALE + 20)
    assert not is_claimed(damaged_folder)
    with hold_claim(damaged_folder):
        assert json.loads((damaged_folder / CLAIM).read_text())["pid"] == os.getpid()
    assert list(damaged_folder.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", '{"pid": "x"}'])
def test_a_damaged_claim_holds_until_it_expires(tmp_path, text):
    (tmp_path / CLAIM).write_text(text)
    message = r"unknown process, because .*claim\.json is damaged, .* expires at \d{4}-.* UTC"
    with pytest.raises(ClaimedError, match=message), hold_claim(tmp_path):
        pass


def test_a_claim_from_the_future_expires_too(tmp_path):
    claim_from_elsewhere(tmp_path, -STALE - 20)
    assert not is_claimed(tmp_path)


def test_a_claim_is_described_with_its_holder_and_time(tmp_path):
    with hold_claim(tmp_path):
        text = describe_claim(tmp_path)
    assert re.fullmatch(rf"process {os.getpid()} on \S+ since \d{{4}}-\S+ \S+ UTC", text)


def test_a_claim_of_another_machine_is_described_with_its_expiry(tmp_path):
    claim_from_elsewhere(tmp_path, 20)
    times = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", describe_claim(tmp_path))
    last_sign, expiry = (datetime.strptime(t, "%Y-%m-%d %H:%M:%S UTC") for t in times)
    assert (expiry - last_sign).total_seconds() == STALE


def test_a_process_that_proc_hides_is_not_dead(tmp_path, monkeypatch):
    """As with hidepid=2 and the claim of another user."""
    with hold_claim(tmp_path):
        holder = json.loads((tmp_path / CLAIM).read_text())
    (tmp_path / CLAIM).write_text(json.dumps(holder))
    this_process = claims._this_process()
    monkeypatch.setattr(claims, "_this_process", lambda: this_process)
    monkeypatch.setattr(claims, "_start_time", lambda pid: "")
    monkeypatch.setattr(os, "kill", refuse)
    assert is_claimed(tmp_path)
    age(tmp_path / CLAIM, STALE + 20)
    assert not is_claimed(tmp_path)


def test_a_file_that_a_living_process_writes_is_left_alone(tmp_path):
    part = tmp_path / "history.jsonl.0.part"
    with part.open("x") as file:
        lock_leftover(file)
        with hold_claim(tmp_path):
            assert part.exists()
    with hold_claim(tmp_path):
        assert not part.exists()


def test_a_claim_that_was_taken_over_first_is_given_back(tmp_path, monkeypatch):
    """Another process takes over between the judgment and the removal."""
    claim_from_elsewhere(tmp_path, STALE + 20)
    has_expired = claims._has_expired

    def judge_late(path):
        verdict = has_expired(path)
        path.write_text(json.dumps({"host": "node8", "pid": 8, "token": "new"}))
        monkeypatch.setattr(claims, "_has_expired", has_expired)
        return verdict

    monkeypatch.setattr(claims, "_has_expired", judge_late)
    with pytest.raises(ClaimedError, match="process 8 on node8"), hold_claim(tmp_path):
        pass


def test_a_file_system_without_hard_links_has_claims_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse)
    with hold_claim(tmp_path), pytest.raises(ClaimedError), hold_claim(tmp_path):
        pass
    assert not is_claimed(tmp_path)
