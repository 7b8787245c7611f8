"""Claims: one holder at a time; a dead holder's claim expires at once, a silent one's later."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path
from uuid import uuid4

import pytest

from stablebert.drafts import open_draft
from stablebert.runs import claims
from stablebert.runs.claims import (
    CLAIM,
    STALE,
    ClaimedError,
    clean_folder,
    describe_claim,
    hold_claim,
    is_claimed,
)


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


def test_a_new_holder_removes_what_a_killed_process_left(tmp_path):
    draft = tmp_path / f"history.jsonl.{'0' * 32}.part"
    draft.touch()
    with hold_claim(tmp_path):
        assert not draft.exists()


def write_dead_claim(folder):
    """Write a claim of a process of this machine that has ended."""
    holder = {**claims._this_process(), "started": "1", "token": "dead"}
    (folder / CLAIM).write_text(json.dumps(holder))


def test_cleaning_removes_a_dead_claim_a_checkpoint_and_drafts(tmp_path):
    write_dead_claim(tmp_path)
    (tmp_path / "checkpoint.ckpt").touch()
    (tmp_path / f"history.jsonl.{'0' * 32}.part").touch()
    clean_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_cleaning_leaves_a_living_process_alone(tmp_path):
    checkpoint = tmp_path / "checkpoint.ckpt"
    checkpoint.touch()
    with hold_claim(tmp_path):
        draft, file = open_draft(tmp_path / "history.jsonl")
        with file:
            clean_folder(tmp_path)
            assert set(tmp_path.iterdir()) == {tmp_path / CLAIM, draft, checkpoint}


def test_cleaning_a_folder_that_is_not_on_this_machine_does_nothing(tmp_path):
    clean_folder(tmp_path / "elsewhere")
    assert list(tmp_path.iterdir()) == []


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
    write_dead_claim(tmp_path)
    assert not is_claimed(tmp_path)


def refuse(*_):
    raise PermissionError("Operation not permitted")


def claim_from_elsewhere(folder, age, token="t"):
    """Write a claim of another machine, last touched `age` seconds ago."""
    holder = {"host": "node7", "boot": "b", "namespace": "n", "pid": 1, "token": token}
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
    draft, file = open_draft(tmp_path / "history.jsonl")
    with file, hold_claim(tmp_path):
        assert draft.exists()
    with hold_claim(tmp_path):
        assert not draft.exists()


def test_the_clock_of_this_machine_does_not_matter(tmp_path, monkeypatch):
    claim_from_elsewhere(tmp_path, 0)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * STALE)
    assert is_claimed(tmp_path)


@pytest.mark.parametrize("pid", [1, 2**31 - 1])
def test_every_possible_process_number_is_read(tmp_path, pid):
    (tmp_path / CLAIM).write_text(json.dumps({"pid": pid}))
    assert describe_claim(tmp_path).startswith(f"process {pid} on")


@pytest.mark.parametrize("pid", [0, -1, 2**31, True, "1"])
def test_an_impossible_process_number_is_damage(tmp_path, pid):
    (tmp_path / CLAIM).write_text(json.dumps({"pid": pid}))
    assert describe_claim(tmp_path).startswith("an unknown process")


# ---------------------------------------------------------------- several processes at once

STEPS = [
    *[(os, name) for name in ("open", "link")],
    *[(Path, name) for name in ("rename", "unlink")],
    *[(claims, name) for name in ("_read", "_has_expired", "try_lock", "is_at")],
]
"""The steps of a take-over that read or change a claim: before each, others may act."""


class Interruption:
    """Actions of other processes between two steps of this one.

    Args:
        actions: Functions by the number of the step before which they are called.
    """

    def __init__(self, monkeypatch, actions):
        self.actions = dict(actions)
        self.count = 0
        self._is_acting = False
        for owner, name in STEPS:
            monkeypatch.setattr(owner, name, self._interrupted(getattr(owner, name)))

    def _interrupted(self, step):
        def run(*args, **kwargs):
            self._act()
            return step(*args, **kwargs)

        return run

    def _act(self):
        if self._is_acting or threading.current_thread() is not threading.main_thread():
            return
        self._is_acting = True
        self.actions.pop(self.count, lambda: None)()
        self._is_acting = False
        self.count += 1


@pytest.fixture(params=["no claim", "a dead claim", "a silent claim"])
def make_folder(request, tmp_path):
    """Return a function that makes a run's folder in which no living process holds a claim."""

    def make():
        folder = tmp_path / uuid4().hex
        folder.mkdir()
        if request.param == "a dead claim":
            write_dead_claim(folder)
        elif request.param == "a silent claim":
            claim_from_elsewhere(folder, STALE + 20)
        return folder

    return make


def count_steps(folder, monkeypatch):
    """Return the number of moments at which other processes may come between."""
    with monkeypatch.context() as patch:
        interruption = Interruption(patch, {})
        with hold_claim(folder):
            return interruption.count


@pytest.mark.parametrize("keep", [True, False], ids=["they keep it", "the first releases it"])
def test_one_of_three_processes_wins_at_every_interleaving(make_folder, monkeypatch, keep):
    steps = count_steps(make_folder(), monkeypatch)
    for pair in combinations_with_replacement(range(steps), 2):
        folder, winners, releases = make_folder(), [], [] if keep else ["first"]
        with ExitStack() as holders:

            def claim(name, folder=folder, winners=winners, holders=holders, releases=releases):
                with suppress(ClaimedError):
                    holder = holders.enter_context(ExitStack())
                    holder.enter_context(hold_claim(folder))
                    if name in releases:
                        holder.close()
                    else:
                        winners.append(name)

            actions = {pair[1]: partial(claim, "second"), pair[0]: partial(claim, "first")}
            with monkeypatch.context() as patch:
                Interruption(patch, actions)
                claim("last")
            assert len(winners) == 1, pair
            assert is_claimed(folder), pair
        assert list(folder.iterdir()) == [], pair


def test_a_release_never_removes_the_claim_of_the_next_holder(tmp_path, monkeypatch):
    moment, steps = 0, 1
    while moment < steps:
        folder = tmp_path / f"{moment}"
        folder.mkdir()
        with ExitStack() as late, ExitStack() as next_holder:
            late.enter_context(hold_claim(folder))
            token = json.loads((folder / CLAIM).read_text())["token"]
            claim_from_elsewhere(folder, STALE + 20, token=token)
            winners = []

            def take_over(folder=folder, holder=next_holder, winners=winners):
                with suppress(ClaimedError):
                    holder.enter_context(hold_claim(folder))
                    winners.append(folder)

            with monkeypatch.context() as patch:
                interruption = Interruption(patch, {moment: take_over})
                late.close()
                steps = interruption.count
            assert is_claimed(folder) == bool(winners), moment
        assert list(folder.iterdir()) == [], moment
        moment += 1
    assert moment > 2


def test_a_file_system_without_hard_links_has_claims_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse)
    with hold_claim(tmp_path), pytest.raises(ClaimedError), hold_claim(tmp_path):
        pass
    assert not is_claimed(tmp_path)
