"""How a claim tells whether the process that holds it is alive."""

import os

import pytest

from stablebert.runs import claims

FIELDS = " ".join(map(str, range(4, 53)))
"""Fields of /proc/<pid>/stat from the fourth on, each with its number."""


@pytest.mark.parametrize(
    ("stat", "start"),
    [
        (f"7 (a) b) R {FIELDS}", "22"),
        (f"7 (python) Z {FIELDS}", "Z ended"),
        (f"7 (python) X {FIELDS}", "X ended"),
        ("", ""),
    ],
)
def test_the_start_of_a_process_is_its_22nd_field_unless_it_has_ended(monkeypatch, stat, start):
    monkeypatch.setattr(claims, "_text", lambda path: stat if path == "/proc/7/stat" else "")
    assert claims._start_time(7) == start


def test_this_process_is_alive():
    assert claims._is_alive(claims._this_process()) is True


@pytest.mark.parametrize("key", ["host", "boot", "namespace"])
def test_a_process_of_another_machine_boot_or_namespace_cannot_be_judged(key):
    assert claims._is_alive({**claims._this_process(), key: "other"}) is None


@pytest.mark.parametrize(("started", "is_alive"), [("22", None), ("", True)])
def test_without_proc_a_process_is_known_to_be_alive_only_if_its_claim_has_no_start(
    monkeypatch, started, is_alive
):
    holder = {**claims._this_process(), "started": started}
    monkeypatch.setattr(claims, "_start_time", lambda pid: "")
    assert claims._is_alive(holder) is is_alive


def test_a_number_that_no_process_has_is_dead(monkeypatch):
    def kill(pid, number):
        assert (pid, number) == (os.getpid(), 0)
        raise ProcessLookupError

    holder = claims._this_process()
    monkeypatch.setattr(claims, "_start_time", lambda pid: "")
    monkeypatch.setattr(os, "kill", kill)
    assert claims._is_alive(holder) is False
