"""`stablebert doctor` as a whole; `checks/` tests each check."""

import os
import subprocess
import sys
import threading

import pytest

from stablebert.config.compose import compose
from stablebert.ops import doctor
from stablebert.ops.doctor import Check, diagnose
from stablebert.ops.finding import Finding


@pytest.fixture
def doctor_command(hub, tmp_path):
    """Function that runs the command in another process: status, findings by level, last line."""

    def run(*arguments, **variables):
        env = {k: v for k, v in hub.env(tmp_path / "hf").items() if not k.startswith("WANDB_")}
        env |= {"WANDB_MODE": "offline", **variables}
        command = [sys.executable, "-m", "stablebert", "doctor", *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.stderr == ""
        *lines, end = done.stdout.splitlines()
        findings = {"ok": [], "note": [], "problem": []}
        for line in lines:
            findings[line[:8].strip()].append(line[9:])
        return done.returncode, findings, end

    return run


@pytest.mark.slow
def test_the_demo_works_on_this_machine(doctor_command, hub, tmp_path):
    folders = [f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache"]
    status, findings, end = doctor_command(*folders)
    assert (status, findings["problem"]) == (0, [])
    assert end.startswith("runs of this configuration can work here")
    text = "\n".join(findings["ok"] + findings["note"])
    for part in (
        *("packages: Python 3.", "torch 2", "precision: auto", "data: demo rte", "model: demo"),
        *(f"hub: cache {tmp_path}/hf/hub ", f"; {hub.url} answers", "W&B 0.", "offline"),
        *(f"paths.runs={tmp_path}/runs: ", f"paths.cache={tmp_path}/cache: ", "cores: "),
    ):
        assert part in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_broken_torch_is_a_finding_and_disturbs_no_other_check(doctor_command, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('libcudnn.so.9: not found')")
    path = os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")])
    arguments = ["scale=mini", "task=rte", "model.name=me/bert", "data.source=hub"]
    arguments += [f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache"]
    status, findings, end = doctor_command(*arguments, PYTHONPATH=path)
    (problem,) = findings["problem"]
    assert status == 1
    assert problem.startswith("torch: does not load: ImportError: libcudnn.so.9: not found")
    assert end.startswith("1 problem; ")
    assert end.endswith("runs of this configuration cannot work here")


def lines_of(monkeypatch, *checks):
    monkeypatch.setattr(doctor, "CHECKS", list(checks))
    lines = []
    diagnose(compose([]), lines.append)
    return lines


def test_findings_are_counted_by_level(monkeypatch):
    findings = [Finding("ok", "a"), Finding("note", "b"), Finding("note", "c")]
    assert lines_of(monkeypatch, Check("x", lambda cfg: findings)) == [
        *("ok       a", "note     b", "note     c"),
        "runs of this configuration can work here; 2 notes",
    ]


def test_a_problem_makes_the_diagnosis_negative(monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", [Check("x", lambda cfg: [Finding("problem", "a")])])
    assert diagnose(compose([]), lambda line: None) is False


def test_a_check_that_crashes_is_a_problem_and_the_others_continue(monkeypatch):
    checks = [Check("x", lambda cfg: 1 / 0), Check("y", lambda cfg: [Finding("ok", "y")])]
    assert lines_of(monkeypatch, *checks)[:2] == [
        "problem  x: ZeroDivisionError: division by zero",
        "ok       y",
    ]


def test_a_check_that_stops_no_run_is_a_note_if_it_crashes(monkeypatch):
    check = Check("x", lambda cfg: 1 / 0, is_essential=lambda cfg: False)
    assert lines_of(monkeypatch, check)[0] == "note     x: ZeroDivisionError: division by zero"


def test_a_check_that_hangs_keeps_its_earlier_findings(monkeypatch):
    stop = threading.Event()

    def hang(cfg):
        yield Finding("ok", "one")
        stop.wait()

    lines = lines_of(monkeypatch, Check("x", hang, seconds=0.5))
    stop.set()
    assert lines[:2] == ["ok       one", "problem  x: TimeoutError: no answer within 0.5 s"]


@pytest.mark.parametrize(("mode", "level"), [("online", "problem"), ("auto", "note")])
def test_a_crash_of_the_wandb_check_matters_only_if_runs_must_be_mirrored(monkeypatch, mode, level):
    (check,) = [check for check in doctor.CHECKS if check.name == "wandb"]
    monkeypatch.setattr(doctor, "CHECKS", [Check("wandb", lambda cfg: 1 / 0, check.is_essential)])
    (finding,) = doctor.examine(compose([f"wandb.mode={mode}"]))
    assert finding.level == level
