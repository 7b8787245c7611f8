"""`stablebert prefetch`: with a network once, without one ever after."""

import re
import shutil
import socket
import subprocess
import sys

import pytest
import yaml
from loopback import Hub

from stablebert.prefetch import needed
from stablebert.sweep import read_sweep

GLUE, BERT = "datasets/nyu-mll/glue", "models/me/bert"


@pytest.fixture
def hub(tiny_glue, tiny_bert):
    with Hub({GLUE: tiny_glue, BERT: tiny_bert}) as server:
        yield server


def stablebert(env, *words):
    command = [sys.executable, "-m", "stablebert", *map(str, words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_fetched_once_copied_and_used_without_a_network(hub, tmp_path):
    parameters = {
        **{"task": {"values": ["rte", "stsb"]}, "method": {"values": ["standard", "intermediate"]}},
        **{"scale": {"value": "mini"}, "model.name": {"value": "me/bert"}},
        "trainer.max_steps": {"value": 2},
    }
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(yaml.safe_dump({"method": "grid", "parameters": parameters}))
    code, out, err = stablebert(hub.env(tmp_path / "here"), "prefetch", sweep)
    assert code == 0, err
    rows = re.findall(r"^\[\d/4\] (.+): ([0-9a-f]{12}), .+B, \d+ s$", out, re.M)
    # mnli: what `intermediate` starts from
    things = ["data nyu-mll/glue mnli", "data nyu-mll/glue rte", "data nyu-mll/glue stsb"]
    assert [row[0] for row in rows] == [*things, "model me/bert"]
    commits = {GLUE: hub.commit(GLUE)[:12], BERT: hub.commit(BERT)[:12]}
    assert [row[1] for row in rows] == [commits[GLUE]] * 3 + [commits[BERT]]

    cache, names = re.search(r"cd (\S+) && rsync -a --mkpath (.+) HOST:", out).groups()
    assert names.split() == ["datasets--nyu-mll--glue", "models--me--bert"]
    for name in names.split():
        shutil.copytree(f"{cache}/{name}", tmp_path / "there/hub" / name, symlinks=True)
    shutil.rmtree(tmp_path / "here")
    asked = len(hub.requests)
    env = hub.env(tmp_path / "there") | {"HF_HUB_OFFLINE": "1"}
    words = ["task=stsb", "scale=mini", "model.name=me/bert", "trainer.max_steps=2"]
    folders = [f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache"]
    code, out, err = stablebert(env, "train", *words, *folders)
    assert code == 0, err
    assert len(hub.requests) == asked


def test_what_cannot_be_had_is_named_and_the_rest_is_fetched(hub, tmp_path):
    words = ["table1", "scale=mini", "task=rte", "model.name=me/bert,me/none", "seed=0"]
    code, out, err = stablebert(hub.env(tmp_path), "prefetch", *words)
    assert code == 1
    assert "[3/3] model me/none: failed" in out
    assert re.search(r"^not fetched: model me/none: .*no such repository", err, re.M)
    assert "models--me--bert" in out
    assert "Traceback" not in err


def test_a_hub_that_is_down_is_told_for_each(hub, tmp_path):
    words = ["table1", "scale=mini", "task=rte", "model.name=me/bert"]
    with socket.socket() as port:  # bound, but nobody listens
        port.bind(("127.0.0.1", 0))
        env = hub.env(tmp_path) | {"HF_ENDPOINT": f"http://127.0.0.1:{port.getsockname()[1]}"}
        code, out, err = stablebert(env, "prefetch", *words)
    assert code == 1
    assert err.count("does not answer") == 2
    assert "rsync" not in out


def test_nothing_is_fetched_for_the_demo(capsys):
    from stablebert.cli import main

    assert main(["prefetch", "table1", "scale=demo", "task=rte"]) == 0
    assert "nothing to fetch" in capsys.readouterr().out
    assert main(["prefetch", "tabel1"]) == 2
    assert "did you mean table1" in capsys.readouterr().err


def test_every_sweep_that_ships_needs_what_the_paper_used():
    items = [item.what for item in needed(read_sweep("table7").runs())]
    assert [what for what in items if "model" in what] == [
        "model FacebookAI/roberta-large", "model facebook/bart-large",
        "model google/electra-large-discriminator", "model xlnet/xlnet-large-cased",
    ]  # fmt: skip
    table1 = [item.what for item in needed(read_sweep("table1").runs())]
    assert len(table1) == 9
    assert "model google-bert/bert-large-uncased" in table1
