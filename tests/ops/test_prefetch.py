"""`stablebert prefetch`: with a network once, without one ever after."""

import os
import re
import shutil
import socket
import subprocess
import sys

import pytest
import yaml

from stablebert.cli.main import main
from stablebert.config.sweep import read_sweep
from stablebert.hub import HubError
from stablebert.ops import prefetch
from stablebert.ops.prefetch import Item, needed
from tests.helpers.hub_server import Hub

GLUE, BERT = "datasets/nyu-mll/glue", "models/me/bert"
MINI = ["scale=mini", "model.name=me/bert"]


@pytest.fixture
def hub(tiny_glue, tiny_bert):
    with Hub({GLUE: tiny_glue, BERT: tiny_bert}) as server:
        yield server


def stablebert(env, *words):
    command = [sys.executable, "-m", "stablebert", *map(str, words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def size(folder):
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())


def test_fetched_once_copied_and_used_without_a_network(hub, tmp_path):
    parameters = {
        **{"task": {"values": ["rte", "stsb"]}, "method": {"values": ["standard", "intermediate"]}},
        **{"scale": {"value": "mini"}, "model.name": {"value": "me/bert"}},
        "trainer.max_steps": {"value": 2},
    }
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(yaml.safe_dump({"method": "grid", "parameters": parameters}))
    home, there = tmp_path / "a b" / "here", tmp_path / "there"
    broken = tmp_path / "broken"  # nothing of torch is needed
    broken.mkdir()
    (broken / "torch.py").write_text("raise ImportError('torch')")
    path = os.pathsep.join([str(broken), os.environ.get("PYTHONPATH", "")])
    code, out, err = stablebert(hub.env(home) | {"PYTHONPATH": path}, "prefetch", sweep)
    assert (code, err) == (0, "")
    rows = re.findall(r"^\[\d/4\] (.+): ([0-9a-f]{12}), \d+ kB, fetched, \d+ s$", out, re.M)
    # mnli: what `intermediate` starts from
    things = ["data nyu-mll/glue mnli", "data nyu-mll/glue rte", "data nyu-mll/glue stsb"]
    assert [row[0] for row in rows] == [*things, "model me/bert"]
    commits = {GLUE: hub.commit(GLUE)[:12], BERT: hub.commit(BERT)[:12]}
    assert [row[1] for row in rows] == [commits[GLUE]] * 3 + [commits[BERT]]
    files = [r for r in hub.requests if r.startswith("GET") and "/resolve/" in r]
    assert len(files) == len(set(files))

    code, again, _ = stablebert(hub.env(home), "prefetch", sweep)
    assert (code, again.count(", cached, ")) == (0, 4)
    assert [r for r in hub.requests if r.startswith("GET") and "/resolve/" in r] == files

    # the printed commands, with a machine that is a folder
    (home / "hub/models--me--bert/blobs/x.incomplete").write_bytes(bytes(10**6))
    (home / "hub/models--me--other").mkdir()
    kept = size(home / "hub/datasets--nyu-mll--glue") + size(home / "hub/models--me--bert")
    assert f"To copy, {prefetch._size(kept - 10**6)} in {home}/hub:" in again
    commands = [line.strip() for line in again.splitlines() if re.match(" +(ssh|cd) ", line)]
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ssh").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (tools / "rsync").write_text(
        '#!/bin/sh\n[ "$1 $2" = "-a --exclude=*.incomplete" ] || exit 9\nshift 2\nexec cp -a "$@"\n'
    )
    for tool in tools.iterdir():
        tool.chmod(0o755)
    script = "\n".join(commands).replace("HOST:", "").replace("/shared/huggingface", str(there))
    env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-e"], input=script, env=env, text=True, check=True)
    assert {f.name for f in (there / "hub").iterdir()} == {
        "datasets--nyu-mll--glue",
        "models--me--bert",
    }

    shutil.rmtree(home)
    asked = len(hub.requests)
    hub.__exit__()
    (variables,) = re.findall(r"export (.+)$", again, re.M)
    variables = dict(word.split("=") for word in variables.split())
    assert variables == {"HF_HOME": "/shared/huggingface", "HF_HUB_OFFLINE": "1"}
    env = hub.env(there) | {"HF_HUB_OFFLINE": "1"}
    words = ["task=stsb", *MINI, "trainer.max_steps=2", "trainer.threads=1"]
    folders = [f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache"]
    code, out, err = stablebert(env, "train", *words, *folders)
    assert code == 0, err
    assert stablebert(env, "prefetch", sweep)[0] == 0
    assert len(hub.requests) == asked


def test_what_cannot_be_had_is_named_and_the_rest_is_fetched(hub, tmp_path):
    words = ["table1", "scale=mini", "task=rte", "model.name=me/bert,me/none", "seed=0"]
    code, out, err = stablebert(hub.env(tmp_path), "prefetch", *words, "data.source=hub,/no/such")
    assert code == 1
    assert "[1/4] data /no/such rte: failed" in out
    assert "[4/4] model me/none: failed" in out
    assert len(err.splitlines()) == 2
    assert re.search(r"^not fetched: data /no/such rte: .*'/no/such' is not a folder", err, re.M)
    assert re.search(r"^not fetched: model me/none: .*no such repository", err, re.M)
    assert "models--me--bert" in out


def test_a_hub_that_is_down_is_told_for_each(hub, tmp_path):
    words = ["table1", *MINI, "task=rte"]
    with socket.socket() as port:  # bound, but nobody listens
        port.bind(("127.0.0.1", 0))
        env = hub.env(tmp_path) | {"HF_ENDPOINT": f"http://127.0.0.1:{port.getsockname()[1]}"}
        code, out, err = stablebert(env, "prefetch", *words)
    assert code == 1
    assert err.count("does not answer") == 2
    assert "rsync" not in out


def test_an_error_of_any_kind_stops_no_other_item_and_what_vanished_is_told(monkeypatch, tmp_path):
    folder = tmp_path / "hub/models--b/snapshots" / ("0" * 40)
    folder.mkdir(parents=True)

    def broken(download=True):
        raise RuntimeError("xet")

    def moved(download=True):
        if not download:
            raise HubError("not complete")
        return folder

    monkeypatch.setattr(prefetch, "needed", lambda _: [Item("a", broken), Item("b", moved)])
    said = []
    first, second = prefetch.prefetch([], said.append)
    assert first == "a: RuntimeError: xet"
    assert second == "b: without a network it is not complete; run this again"
    assert said[1].startswith(f"[2/2] b: {folder.name[:12]}, 0 bytes, fetched")


def test_nothing_is_fetched_for_folders_and_the_demo(capsys, tiny_glue, tiny_bert):
    assert main(["prefetch", "table1", "scale=demo", "task=rte,cola"]) == 0
    said = capsys.readouterr().out
    assert "[1/3] data demo cola: generated, nothing to fetch" in said
    assert "[3/3] model demo: in the package, nothing to fetch" in said
    assert "rsync" not in said
    folders = [f"data.source={tiny_glue}", f"model.name={tiny_bert}"]
    assert main(["prefetch", "table1", "scale=mini", "task=rte", *folders]) == 0
    assert capsys.readouterr().out.count("a folder, nothing to fetch") == 2
    assert main(["prefetch", "tabel1"]) == 2
    assert "did you mean table1" in capsys.readouterr().err


def test_every_sweep_that_ships_needs_what_the_paper_used():
    items = [item.what for item in needed(read_sweep("table7").configs())]
    assert [what for what in items if "model" in what] == [
        "model FacebookAI/roberta-large", "model facebook/bart-large",
        "model google/electra-large-discriminator", "model xlnet/xlnet-large-cased",
    ]  # fmt: skip
    table1 = [item.what for item in needed(read_sweep("table1").configs())]
    assert len(table1) == 9
    assert "model google-bert/bert-large-uncased" in table1
