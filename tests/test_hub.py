"""The real client against a hub on loopback; each client in a process of its own."""

import json
import shutil
import socket
import subprocess
import sys
import time

import pytest

from tests.helpers.hub_server import Hub

GLUE = "datasets/nyu-mll/glue"
BERT = "models/me/bert"

# Prints what the call returned or its HubError; waits of the clients are cut to nothing.
CLIENT = """
import json, sys, time
wait, time.sleep = time.sleep, lambda s: wait(min(s, 0.01))
from stablebert import hub
try:
    print(json.dumps({"folder": str(%s)}))
except hub.HubError as e:
    print(json.dumps({"error": str(e)}))
"""


def call(code, env, **more):
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", CLIENT % code],
        env=env | more,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer | {"seconds": time.monotonic() - started, "stderr": done.stderr}


def fetch_rte(revision=None):
    return f"hub.fetch_glue('rte', {revision!r})"


@pytest.fixture
def hub(tiny_glue, tiny_bert, tmp_path):
    served = tmp_path / "served"
    shutil.copytree(tiny_glue / "rte", served / "glue" / "rte")
    shutil.copytree(tiny_bert, served / "bert")
    (served / "bert" / "onnx").mkdir()
    (served / "bert" / "onnx" / "model.onnx").write_bytes(b"unwanted")
    (served / "bert" / "onnx" / "config.json").write_bytes(b"unwanted")
    with Hub({GLUE: served / "glue", BERT: served / "bert"}) as server:
        server.served = served
        yield server


@pytest.fixture
def home(tmp_path):
    return tmp_path / "hf"


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}"


LOAD = """
import json, sys
from pathlib import Path
from stablebert import hub
from stablebert import tasks
from stablebert.glue import sources
from stablebert.glue.datamodule import data_module
task = tasks.TASKS["rte"]
source = sources.resolve("hub", task)
bert = hub.fetch_model("me/bert")
data = data_module("rte")(source=source, tokenizer=bert, cache=Path(sys.argv[1]))
data.setup("fit")
batch = next(iter(data.train_dataloader()))
answer = [source.identity, source.revision, data.splits["train"]["rows"], len(batch["labels"])]
print(json.dumps([*answer, str(bert)]))
"""


def test_cold_load_into_a_data_module_then_offline(hub, home, tmp_path):
    command = [sys.executable, "-c", LOAD, tmp_path / "cache"]
    done = subprocess.run(command, env=hub.env(home), check=True, timeout=60, capture_output=True)
    *cold, bert = json.loads(done.stdout.splitlines()[-1])
    commit = hub.commit(GLUE)
    assert cold == [f"nyu-mll/glue@{commit}", commit, 1800, 32]
    fetched = [r for r in hub.requests if r.startswith("GET") and "/resolve/" in r]
    assert len(fetched) == len(set(fetched))
    assert not [r for r in hub.requests if "onnx" in r]
    hub.requests.clear()
    warm = call(fetch_rte(), hub.env(home), HF_HUB_OFFLINE="1")
    assert warm["folder"].endswith(commit)
    assert call("hub.fetch_model('me/bert')", hub.env(home), HF_HUB_OFFLINE="1")["folder"] == bert
    assert hub.requests == []


def test_pinned_and_cached_asks_nothing(hub, home):
    commit = hub.commit(GLUE)
    first = call(fetch_rte(commit), hub.env(home))
    assert first["folder"].endswith(commit)
    hub.requests.clear()
    assert call(fetch_rte(commit), hub.env(home))["folder"] == first["folder"]
    assert hub.requests == []
    dead = call(fetch_rte(commit), hub.env(home), HF_ENDPOINT=closed_port())
    assert dead["folder"] == first["folder"]
    assert "using the cached" not in dead["stderr"]


def test_unpinned_on_a_dead_hub_uses_the_cache_and_says_so(hub, home):
    first = call(fetch_rte(), hub.env(home))
    dead = call(fetch_rte(), hub.env(home), HF_ENDPOINT=closed_port())
    assert dead["folder"] == first["folder"]
    assert dead["stderr"].count(f"using the cached commit {hub.commit(GLUE)}") == 1
    assert "does not answer" in dead["stderr"]


def test_no_other_commit_takes_the_place_of_a_pinned_one(hub, home):
    call(fetch_rte(), hub.env(home))
    for pin in ("0123456789" * 4, "v7"):
        answer = call(fetch_rte(pin), hub.env(home), HF_ENDPOINT=closed_port())
        assert pin in answer["error"]
        for word in ("data.source=FOLDER", "HF_ENDPOINT", "HF_HOME", "does not answer"):
            assert word in answer["error"]
        assert answer["seconds"] < 10
        assert "no such revision" in call(fetch_rte(pin), hub.env(home))["error"]


def test_a_silent_hub_costs_seconds(home):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        env = Hub({}).env(home) | {"HF_ENDPOINT": f"http://127.0.0.1:{mute.getsockname()[1]}"}
        code = "[setattr(hub, 'PROBE_SECONDS', 0.2), hub.fetch_model('me/bert')]"
        answer = call(code, env)
    assert "ReadTimeout" in answer["error"]
    assert "model.name=FOLDER" in answer["error"]
    assert answer["seconds"] < 10


def test_offline_and_not_cached(hub, home):
    answer = call(fetch_rte(), hub.env(home), HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in answer["error"]
    assert "unset HF_HUB_OFFLINE" in answer["error"]
    assert hub.requests == []


def test_a_partial_snapshot_is_refused_offline_and_completed_online(hub, home):
    one_file = "'nyu-mll/glue', 'rte/train-00000-of-00001.parquet', repo_type='dataset'"
    call(f"__import__('huggingface_hub').hf_hub_download({one_file})", hub.env(home))
    assert "not complete" in call(fetch_rte(), hub.env(home), HF_HUB_OFFLINE="1")["error"]
    assert "folder" in call(fetch_rte(), hub.env(home))
    assert "folder" in call(fetch_rte(), hub.env(home), HF_HUB_OFFLINE="1")


def test_a_missing_shard_is_refused(hub, home):
    rte = hub.served / "glue" / "rte"
    (rte / "train-00000-of-00001.parquet").rename(rte / "train-00000-of-00002.parquet")
    assert "lacks files" in call(fetch_rte(), hub.env(home))["error"]


def test_missing_repository_and_gated_are_told_at_once(hub, home):
    answer = call("hub.fetch_model('me/nothing')", hub.env(home))
    assert "'me/nothing'" in answer["error"]
    assert "no such repository" in answer["error"]
    assert len(hub.requests) == 1
    hub.fail("HEAD", 403, n=9, code="GatedRepo")
    assert "gated" in call("hub.fetch_model('me/bert')", hub.env(home))["error"]
    answer = call("hub.fetch_model('./no/such/folder')", hub.env(home))
    assert "'./no/such/folder'" in answer["error"]
    assert "neither a folder nor an id" in answer["error"]


@pytest.mark.parametrize(
    ("match", "status"),
    [
        ("/revision/", 503),
        ("/tree/", 503),
        ("/api/", 429),
        ("GET /datasets/", 503),
        ("/revision/", 0),
        ("HEAD", 0),
    ],
)
def test_a_passing_failure_is_retried(hub, home, match, status):
    hub.fail(match, status)
    assert call(fetch_rte(), hub.env(home))["folder"].endswith(hub.commit(GLUE))
    assert not hub.faults


def test_a_hub_in_trouble_falls_back_on_the_cache(hub, home):
    first = call(fetch_rte(), hub.env(home))
    hub.fail("/api/", 503, n=99)
    again = call(fetch_rte(), hub.env(home))
    assert again["folder"] == first["folder"]
    assert "failed 3 times" in again["stderr"]


def test_a_branch_that_moved_is_never_mixed_up(hub, home):
    old = call(fetch_rte(), hub.env(home))
    (hub.served / "glue" / "README.md").write_text("a new commit")
    hub.fail("/revision/", 200)  # our question
    hub.fail("/revision/", 503)  # the client's, which then returns the old snapshot silently
    new = call(fetch_rte(), hub.env(home))
    assert new["folder"].endswith(hub.commit(GLUE))
    assert new["folder"] != old["folder"]
    assert not hub.faults


def test_weights_as_a_pickle_only_where_there_are_no_safetensors(hub, home):
    bert = hub.served / "bert"
    (bert / "pytorch_model.bin").write_bytes(b"unread")
    assert "folder" in call("hub.fetch_model('me/bert')", hub.env(home))
    assert not [r for r in hub.requests if "pytorch_model" in r]
    (bert / "model.safetensors").unlink()
    pickled = call("hub.fetch_model('me/bert')", hub.env(home))
    assert [r for r in hub.requests if "pytorch_model" in r]
    offline = call("hub.fetch_model('me/bert')", hub.env(home), HF_HUB_OFFLINE="1")
    assert offline["folder"] == pickled["folder"]
    (bert / "pytorch_model.bin").unlink()
    assert "lacks files" in call("hub.fetch_model('me/bert')", hub.env(home))["error"]


def test_a_cache_that_cannot_be_written(hub, tmp_path):
    (tmp_path / "file").write_text("in the way")
    answer = call(fetch_rte(), hub.env(tmp_path / "file"))
    assert "HF_HOME" in answer["error"]


def test_a_run_from_the_hub_records_its_commits_and_is_done_offline_too(hub, home, tmp_path):
    words = ["scale=mini", "task=rte", "model.name=me/bert", "trainer.max_steps=2"]
    words += [
        "trainer.threads=1",
        f"paths.runs={tmp_path / 'runs'}",
        f"paths.cache={tmp_path / 'cache'}",
    ]
    command = [sys.executable, "-m", "stablebert", "train", *words]
    subprocess.run(command, env=hub.env(home), check=True, timeout=120, capture_output=True)
    (result,) = (tmp_path / "runs").rglob("result.json")
    record = json.loads(result.read_text())
    assert record["data"] == f"nyu-mll/glue@{hub.commit(GLUE)}"
    assert record["model"] == f"me/bert@{hub.commit(BERT)}"
    offline = hub.env(home) | {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": closed_port()}
    again = subprocess.run(command, env=offline, check=True, capture_output=True, text=True)
    assert "done already" in again.stdout


def test_a_dead_hub_is_told_on_the_command_line_in_seconds(home, tmp_path):
    with Hub({}) as server:
        env = server.env(home) | {"HF_ENDPOINT": closed_port()}
    command = [sys.executable, "-m", "stablebert", "train", "scale=mini"]
    command.append(f"paths.runs={tmp_path / 'runs'}")
    started = time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert time.monotonic() - started < 10
    assert done.returncode == 1
    assert "data.source=FOLDER" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()
