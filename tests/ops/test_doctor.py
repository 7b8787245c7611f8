"""`stablebert doctor`: what it finds, where things are well and where they are not."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stablebert.config.compose import compose
from stablebert.ops import doctor
from stablebert.ops.doctor import Finding
from tests.helpers.hub_server import Hub
from tests.helpers.wandb_server import WandbServer

GLUE, BERT = "datasets/nyu-mll/glue", "models/me/bert"
REAL = ["scale=mini", "task=rte", "model.name=me/bert", "data.source=hub"]
KEY = "5ec2e7" * 7

# The command as it is, but for what makes a test long: torch's own look, and waiting.
QUICK = """
import sys
from stablebert.cli import main as cli
from stablebert.ops import doctor
doctor.torch, doctor.PROBE_SECONDS = lambda cfg: [], 0.5
code = cli.main(["doctor", *sys.argv[1:]])
sys.exit("torch was loaded" if "torch" in sys.modules else code)
"""


@pytest.fixture
def hub(tiny_glue, tiny_bert):
    with Hub({GLUE: tiny_glue, BERT: tiny_bert}) as server:
        yield server


@pytest.fixture
def examine(hub, tmp_path):
    """Runs it in a process of its own: exit code, and the lines by level."""

    def run(*words, start=("-c", QUICK), **more):
        env = {k: v for k, v in hub.env(tmp_path / "hf").items() if not k.startswith("WANDB_")}
        env |= {"WANDB_MODE": "offline", "NETRC": f"{tmp_path}/netrc", **more}
        paths = [f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache"]
        paths = [p for p in paths if not any(w.startswith(p.partition("=")[0]) for w in words)]
        command = [sys.executable, *start, *words, *paths]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
        assert done.stderr == ""
        *lines, end = done.stdout.splitlines()
        found = {"ok": [], "note": [], "problem": [], "end": end}
        for line in lines:
            found[line[:8].strip()].append(line[9:])
        return done.returncode, found

    return run


@pytest.fixture
def canned(monkeypatch):
    """What torch is said to tell, in the process that is asked."""

    def can(gpus=(), built=None, said=(), emulated=False, **wrong):
        devices = {device: wrong.get(device[:4], {}) for device in ("cpu", *gpus)}
        tells = {"version": "2.13.0", "built": built, "devices": devices, "said": list(said)}
        tells |= {"names": [f"GPU {gpu}" for gpu in gpus], "emulated": emulated}
        monkeypatch.setattr(doctor, "TORCH", f"print({json.dumps(tells)!r})")

    return can


def nobody():
    """An address where nobody listens, and the socket that keeps it so."""
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    return port, f"http://127.0.0.1:{port.getsockname()[1]}"


def test_the_demo_can_run_anywhere(examine, hub, tmp_path):
    code, found = examine(start=("-m", "stablebert", "doctor"))
    assert (code, found["problem"], found["note"]) == (0, [], [])
    assert found["end"] == "runs of this configuration can work here"
    said = "\n".join(found["ok"])
    for text in (
        *("packages: Python 3.", "torch 2", "precision: auto", "data: demo rte", "model: demo"),
        *(f"hub: cache {tmp_path}/hf/hub ", f"; {hub.url} answers", "W&B 0.31", "offline"),
        *(f"paths.runs={tmp_path}/runs: ", f"paths.cache={tmp_path}/cache: ", "cores: "),
    ):
        assert text in said
    assert [f.name for f in tmp_path.iterdir()] == []


def test_the_hub_is_asked_before_anything_is_fetched(examine, hub, tmp_path):
    code, found = examine(*REAL)
    assert code == 0
    for repo in (GLUE, BERT):
        commit = hub.commit(repo)[:12]
        assert sum(f"will be fetched from the hub, at commit {commit}" in f for f in found["ok"])
    assert not any("resolve" in request for request in hub.requests)
    code, found = examine(*REAL, "model.revision=v7", "data.revision=v8")
    assert code == 1
    assert [("no such revision" in p, "v7" in p) for p in found["problem"]] == [
        (True, False),
        (True, True),
    ]
    code, found = examine(*(word.replace("me/bert", "me/none") for word in REAL))
    assert (code, len(found["problem"])) == (1, 1)
    assert "'me/none'" in found["problem"][0]
    assert "no such repository" in found["problem"][0]
    asked = len(hub.requests)
    code, found = examine(*REAL, HF_HUB_OFFLINE="1")
    assert code == 1
    assert sum("HF_HUB_OFFLINE is set: see stablebert prefetch" in p for p in found["problem"]) == 2
    assert len(hub.requests) == asked
    (tmp_path / "file").touch()
    code, found = examine(*REAL, HF_HUB_CACHE=str(tmp_path / "file/hub"))
    assert code == 1
    assert sum("Not a directory: set HF_HOME" in p for p in found["problem"]) == 2


def test_a_hub_that_is_down_stops_only_what_is_not_cached(examine, hub, tmp_path):
    port, dead = nobody()
    with port, socket.create_server(("127.0.0.1", 0)) as mute:
        silent = f"http://127.0.0.1:{mute.getsockname()[1]}"
        started = time.monotonic()
        for url in (dead, silent):
            code, found = examine(*REAL, HF_ENDPOINT=url)
            assert code == 1
            assert f"the hub does not answer ({url}" in found["note"][0]
            assert sum("the hub does not answer" in line for line in found["problem"]) == 2
        assert time.monotonic() - started < 20
        hub.fail("HEAD /", 503)
        assert "it says 503" in examine(*REAL)[1]["note"][0]
        fetch = [sys.executable, "-m", "stablebert", "prefetch", "table1", "seed=0", *REAL]
        subprocess.run(fetch, env=hub.env(tmp_path / "hf"), check=True, capture_output=True)
        left = tmp_path / "hf/hub/models--me--bert/blobs/x.incomplete"
        left.write_bytes(b"x")
        for more in ({"HF_ENDPOINT": dead}, {"HF_ENDPOINT": dead, "HF_HUB_OFFLINE": "1"}):
            code, found = examine(*REAL, **more)
            assert (code, len(found["note"])) == (0, 2 - len(more))
            assert sum("cached at commit" in line for line in found["ok"]) == 2
        os.utime(left, (0, 0))  # what is fetched at this moment is no litter
        code, found = examine(*REAL)
        assert "1 unfinished downloads" in found["note"][0]


def test_wandb_is_a_problem_only_where_it_is_wanted(examine, tmp_path):
    netrc = tmp_path / "netrc"
    wanted = "wandb.mode=online"
    with WandbServer() as server:
        url = {"WANDB_BASE_URL": server.url}
        code, found = examine(wanted, **url)
        assert (code, len(found["problem"])) == (1, 1)
        assert "nobody is logged in" in found["problem"][0]
        code, found = examine(**url, WANDB_MODE="online")
        assert code == 0
        assert "nobody is logged in" in "".join(found["note"])
        assert f"W&B: {server.url} answers" in found["ok"]
        # as the client reads it: a server's name with its port, and a whole key
        for machine, key, there in (
            ("127.0.0.1", KEY, False),
            (f"127.0.0.1:{server.port}", KEY, True),
            (f"127.0.0.1:{server.port}", "short", False),
        ):
            netrc.write_text(f"machine {machine} login user password {key}")
            netrc.chmod(0o600)
            code, found = examine(wanted, **url)
            assert code == (not there), found
            assert key not in str(found)
        assert "40+ characters" in found["problem"][0]
        netrc.unlink()
        code, found = examine(wanted, **url, WANDB_API_KEY=KEY)
        assert code == 0
        assert f"logged in on {server.url}" in "".join(found["ok"])
        assert KEY not in str(found)
    code, found = examine(wanted, **url, WANDB_API_KEY=KEY)
    assert (code, len(found["problem"])) == (1, 1)
    assert f"no answer from {server.url}" in found["problem"][0]
    assert "WANDB_MODE=offline" in found["problem"][0]


def test_a_silent_wandb_server_costs_seconds(examine):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        started = time.monotonic()
        code, found = examine(WANDB_MODE="online", WANDB_BASE_URL=url)
    assert time.monotonic() - started < 15
    assert (code, f"no answer from {url}" in found["note"][0]) == (0, True)
    code, found = examine(WANDB_MODE="ofline", WANDB_BASE_URL=url)
    assert "none of online, offline, disabled" in found["note"][0]


def test_a_broken_torch_and_a_folder_that_cannot_be_are_findings(examine, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('libcudnn.so.9: not found')")
    (tmp_path / "file").touch()
    path = os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")])
    words = [f"paths.runs={tmp_path}/file/runs", "trainer.accelerator=cuda"]
    code, found = examine(*words, start=("-m", "stablebert", "doctor"), PYTHONPATH=path)
    assert code == 1
    assert "torch: does not load: ImportError: libcudnn.so.9: not found" in found["problem"][0]
    assert (
        f"paths.runs={tmp_path}/file/runs: {tmp_path}/file: Not a directory" in found["problem"][1]
    )
    assert found["end"] == "2 problems; runs of this configuration cannot work here"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import os; os.abort()", "torch: does not load: exit code -6"),
        ("import time; time.sleep(60)", "torch: does not load within 0.2 s"),
    ],
)
def test_a_torch_that_dies_or_hangs_is_a_finding(monkeypatch, script, why):
    monkeypatch.setattr(doctor, "TORCH", script)
    monkeypatch.setattr(doctor, "TORCH_SECONDS", 5 if "abort" in script else 0.2)
    (finding,) = doctor.torch(compose([]))
    assert finding.level == "problem"
    assert finding.text.startswith(why)


@pytest.mark.parametrize(
    ("words", "has", "level", "text"),
    [
        ([], {}, "ok", "auto, which is 32-true here"),
        (["trainer.precision=16-mixed"], {}, "note", "16-mixed, which is bf16-mixed here"),
        (["trainer.precision=bf16-mixed"], {}, "ok", "bf16-mixed"),
        (["trainer.accelerator=cuda"], {}, "problem", "torch sees no GPU"),
        ([], {"gpus": ["cuda:0"]}, "ok", "auto, which is 16-mixed here"),
        (["trainer.precision=bf16-mixed"], {"gpus": ["cuda:0"], "emulated": True}, "note", "slow"),
        (
            ["trainer.precision=bf16-mixed"],
            {"gpus": ["cuda:0", "cuda:1"], "cuda": {"bf16-mixed": "RuntimeError: no"}},
            *("problem", "fails on cuda:0: RuntimeError: no; cuda:1: RuntimeError: no: "),
        ),
        (
            ["trainer.precision=bf16-mixed"],
            {"gpus": ["cuda:0"], "cuda": {"bf16-mixed": "RuntimeError: no"}},
            *("problem", ": trainer.precision=32-true"),
        ),
        (
            ["trainer.accelerator=cpu"],
            {"gpus": ["cuda:0"], "cuda": {"32-true": "no kernel image"}},
            *("ok", "auto, which is 32-true here"),
        ),
    ],
)
def test_the_precision_is_tried_where_runs_will_be(canned, words, has, level, text):
    canned(**has)
    *_, finding = doctor.torch(compose(words))
    assert (finding.level, text in finding.text) == (level, True), finding


@pytest.mark.parametrize(
    ("smi", "has", "level", "texts"),
    [
        ("echo 580.1", {"gpus": ["cuda:0"], "built": "13.0"}, "ok", ["GPU cuda:0; driver 580.1"]),
        ("echo 450.2", {}, "note", ["built for CPUs, sees no GPU: driver 450.2", "TORCH=default"]),
        (
            "echo 450.2",
            {"built": "13.0", "said": ["The NVIDIA driver is too old"]},
            *(
                "note",
                [
                    "driver 450.2; The NVIDIA driver is too old; CUDA_VISIBLE_DEVICES='7'",
                    "fits the driver",
                ],
            ),
        ),
        ("echo no driver; exit 9", {"built": "13.0"}, "note", ["nvidia-smi: no driver", "first"]),
        (None, {}, "ok", ["no GPU, runs are on the CPU"]),
    ],
)
def test_a_driver_without_a_gpu_for_torch_is_told(
    canned, monkeypatch, tmp_path, smi, has, level, texts
):
    if smi:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{smi}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if smi else str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    canned(**has)
    finding, _ = doctor.torch(compose([]))
    assert finding.level == level
    assert [text for text in texts if text not in finding.text] == [], finding


def test_versions_out_of_range_are_named(monkeypatch):
    have = {"torch": "1.0", "lightning": "2.6.2"}
    ranges = ["torch>=2.13,<3", "lightning!=2.6.2", "x>=1", "dev>9; extra == 'dev'", "none>=4"]

    def version(name):
        if name == "none":
            raise doctor.PackageNotFoundError
        return have.get(name) or "99999"

    monkeypatch.setattr(doctor, "version", version)
    monkeypatch.setattr(doctor, "requires", lambda _: ranges)
    monkeypatch.setattr(doctor, "metadata", lambda _: {"Requires-Python": ">=3.99"})
    python, finding = doctor.packages(compose([]))
    assert python.level == finding.level == "problem"
    assert "is not >=3.99" in python.text
    assert "torch 1.0 is not <3,>=2.13; lightning 2.6.2 is not !=2.6.2; none is" in finding.text
    assert finding.text.endswith("pip install 'torch<3,>=2.13' 'lightning!=2.6.2' 'none>=4'")


def test_a_look_that_crashes_or_hangs_is_a_finding_and_the_others_go_on(monkeypatch):
    stop = threading.Event()

    def disk(cfg):
        yield Finding("ok", "disk: one")
        stop.wait(60)

    disk.__name__ = "disk"
    for look in ("packages", "torch", "hub", "wandb"):
        monkeypatch.setattr(doctor, look, lambda cfg: [])
    monkeypatch.setattr(doctor, "disk", disk)
    monkeypatch.setattr(doctor, "LOOK_SECONDS", 3)
    monkeypatch.setattr(doctor, "model_files", lambda folder: 1 / 0)
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda _: 1 / 0, raising=False)
    lines = []
    assert doctor.diagnose(compose([]), lines.append) is False
    stop.set()
    assert lines == [
        "ok       data: demo rte",
        "problem  model: ZeroDivisionError: division by zero",
        "ok       disk: one",
        "problem  disk: TimeoutError: no answer within 3 s",
        "note     cores: ZeroDivisionError: division by zero",  # which stops no run
        "2 problems; 1 note; runs of this configuration cannot work here",
    ]


def test_data_and_model_of_folders_and_of_what_a_run_starts_from(tiny_glue, tiny_bert, tmp_path):
    (tmp_path / "mnli").mkdir()
    (tmp_path / "rte").symlink_to(tiny_glue / "rte")
    words = ["scale=mini", "task=rte", "method=intermediate"]
    for folder, levels in ((tiny_glue, ["ok", "ok"]), (tmp_path, ["ok", "problem"])):
        cfg = compose([*words, f"data.source={folder}", f"model.name={tiny_bert}"])
        found = list(doctor.data(cfg))
        assert [f.level for f in found] == levels
        assert "mnli" in found[1].text
        assert [f.level for f in doctor.model(cfg)] == ["ok"]
    (finding,) = doctor.model(compose([*words, f"model.name={tmp_path}"]))
    assert (finding.level, "config.json" in finding.text) == ("problem", True)


def test_a_folder_is_written_on_trial(monkeypatch, tmp_path):
    cfg = compose([f"paths.runs={tmp_path}/new/runs", f"paths.cache={tmp_path}"])

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    assert [f.level for f in doctor.disk(cfg)] == ["ok", "ok"]
    with monkeypatch.context() as patch:
        patch.setattr(doctor.os, "link", refuse)
        runs, _ = doctor.disk(cfg)
        assert (runs.level, "no hard links" in runs.text) == ("note", True)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        runs, _ = doctor.disk(cfg)
        assert (runs.level, "Operation not permitted: set paths.runs" in runs.text) == (
            "problem",
            True,
        )
    with monkeypatch.context() as patch:
        patch.setattr(doctor, "ROOM", float("inf"))
        assert ["little" in f.text for f in doctor.disk(cfg) if f.level == "note"] == [True, True]
    assert list(tmp_path.iterdir()) == []


def test_more_threads_than_cores_is_a_note(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    (finding,) = doctor.cores(compose(["trainer.threads=5000"]))
    assert finding.level == "note"
    assert "OMP_NUM_THREADS=4096 and trainer.threads=5000" in finding.text
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (finding,) = doctor.cores(compose([]))
    assert finding.level == "ok"
