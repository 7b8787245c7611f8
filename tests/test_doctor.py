"""`stablebert doctor`: what it finds, where things are well and where they are not."""

import os
import socket
import subprocess
import sys

import pytest
from loopback import Hub
from loopback_wandb import WandbServer

from stablebert import doctor
from stablebert.config import compose

GLUE, BERT = "datasets/nyu-mll/glue", "models/me/bert"
REAL = ["scale=mini", "task=rte", "model.name=me/bert", "data.source=hub"]


@pytest.fixture
def hub(tiny_glue, tiny_bert):
    with Hub({GLUE: tiny_glue, BERT: tiny_bert}) as server:
        yield server


@pytest.fixture
def examine(hub, tmp_path):
    """Runs it in a process of its own: exit code, and the lines by level."""

    def run(*words, **more):
        env = {k: v for k, v in hub.env(tmp_path / "hf").items() if not k.startswith("WANDB_")}
        env |= {"WANDB_MODE": "offline", "NETRC": f"{tmp_path}/netrc", **more}
        paths = [f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache"]
        paths = [p for p in paths if not any(w.startswith(p.partition("=")[0]) for w in words)]
        command = [sys.executable, "-m", "stablebert", "doctor", *words, *paths]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
        assert done.stderr == ""
        *lines, end = done.stdout.splitlines()
        found = {"ok": [], "note": [], "problem": [], "end": end}
        for line in lines:
            found[line[:8].strip()].append(line[9:])
        return done.returncode, found

    return run


def test_the_demo_can_run_anywhere(examine):
    code, found = examine()
    assert code == 0, found
    assert found["problem"] == []
    assert found["end"].startswith("runs of this configuration can work here")
    assert any(line.startswith("torch 2") for line in found["ok"])
    assert any(line.startswith("data: demo sha256") for line in found["ok"])
    assert "W&B 0.31" in "".join(found["ok"])


def test_the_hub_is_asked_before_anything_is_fetched(examine, hub, tmp_path):
    code, found = examine(*REAL)
    assert code == 0
    assert sum("will be fetched into" in line for line in found["ok"]) == 2
    assert not any("resolve" in request for request in hub.requests)
    code, found = examine(*REAL, HF_HUB_OFFLINE="1")
    assert code == 1
    assert sum("HF_HUB_OFFLINE is set: see stablebert prefetch" in p for p in found["problem"]) == 2
    with socket.socket() as port:  # bound, but nobody listens
        port.bind(("127.0.0.1", 0))
        code, found = examine(*REAL, HF_ENDPOINT=f"http://127.0.0.1:{port.getsockname()[1]}")
    assert code == 1
    assert sum("the hub does not answer" in line for line in found["problem"]) == 2
    fetch = [sys.executable, "-m", "stablebert", "prefetch", "table1", "seed=0", *REAL]
    subprocess.run(fetch, env=hub.env(tmp_path / "hf"), check=True, capture_output=True)
    code, found = examine(*REAL, HF_HUB_OFFLINE="1")
    assert code == 0
    assert sum("cached at commit" in line for line in found["ok"]) == 2


def test_wandb_is_a_problem_only_where_it_is_wanted(examine, tmp_path):
    with WandbServer() as server:
        url = {"WANDB_BASE_URL": server.url}
        wanted = "wandb.mode=online"
        code, found = examine(wanted, **url)
        assert code == 1
        assert "nobody is logged in" in found["problem"][0]
        code, found = examine(**url, WANDB_MODE="online")
        assert code == 0
        assert "nobody is logged in" in "".join(found["note"])
        code, found = examine(wanted, **url, WANDB_API_KEY="x" * 40)
        assert code == 0
        assert f"logged in on {server.url}" in "".join(found["ok"])
        assert "x" * 40 not in str(found)
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret")
        (tmp_path / "netrc").chmod(0o600)
        assert examine(wanted, **url)[0] == 0
    code, found = examine(wanted, **url)
    assert code == 1
    assert "W&B does not answer" in found["problem"][0]


def test_a_broken_torch_and_a_folder_that_cannot_be_are_findings(examine, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('libcudnn.so.9: not found')")
    (tmp_path / "file").touch()
    path = os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")])
    code, found = examine(f"paths.runs={tmp_path}/file/runs", PYTHONPATH=path)
    assert code == 1
    assert "torch: does not load: ImportError: libcudnn.so.9: not found" in found["problem"][0]
    assert f"paths.runs={tmp_path}/file/runs" in found["problem"][1]
    assert found["end"].startswith("2 problems")


def test_versions_out_of_range_are_named(monkeypatch):
    have = {"torch": "1.0", "lightning": "2.6.2"}
    monkeypatch.setattr(doctor, "version", lambda name: have.get(name) or "99999")
    monkeypatch.setattr(
        doctor, "requires", lambda _: ["torch>=2.13,<3", "lightning!=2.6.2", "x>=1"]
    )
    (finding,) = doctor.packages(compose([]))
    assert finding.level == "problem"
    assert "torch 1.0 is not <3,>=2.13; lightning 2.6.2 is not !=2.6.2" in finding.text


def test_a_look_that_crashes_is_a_finding(monkeypatch):
    monkeypatch.setattr(doctor, "torch", doctor.cores)
    monkeypatch.setattr(doctor, "_free", lambda _: 1 / 0)
    found = [f for f in doctor.examine(compose(["wandb.mode=disabled"])) if f.level == "problem"]
    assert [f.text for f in found] == ["disk: ZeroDivisionError: division by zero"]


def test_more_threads_than_cores_is_a_note(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    (finding,) = doctor.cores(compose([]))
    assert (finding.level, "OMP_NUM_THREADS=4096" in finding.text) == ("note", True)
