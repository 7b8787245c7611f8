"""`stablebert prefetch`: fetched once with a network, used from then on without one."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from stablebert.cli.main import main
from stablebert.config.files import SWEEPS
from stablebert.hub import HubError
from stablebert.ops import prefetch
from stablebert.ops.items import HubItem
from tests.helpers.hub_server import BERT, GLUE

MINI = ["scale=mini", "data.source=hub", "model.name=me/bert"]


@pytest.fixture
def sweep_file(tmp_path):
    """Sweep of two tasks and two methods, one of which first trains on MNLI."""
    parameters = {
        **{"task": {"values": ["rte", "stsb"]}, "method": {"values": ["standard", "intermediate"]}},
        **{"scale": {"value": "mini"}, "model.name": {"value": "me/bert"}},
        "trainer.max_steps": {"value": 2},
    }
    content = yaml.safe_load((SWEEPS / "table1.yaml").read_text("utf-8"))
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(content | {"parameters": parameters}))
    return str(file)


@pytest.fixture
def prefetch_command(client, capsys):
    """Function that runs `stablebert prefetch` in this process: status, stdout, stderr."""

    def run(*arguments):
        status = main(["prefetch", *arguments])
        return status, *capsys.readouterr()

    return run


@pytest.mark.slow
def test_every_item_is_fetched_at_the_hubs_commit(prefetch_command, sweep_file, hub):
    status, out, err = prefetch_command(sweep_file)
    rows = re.findall(r"^\[\d/4\] (.+): ([0-9a-f]{12}), \d+ kB, fetched, \d+ s$", out, re.M)
    data = hub.commit(GLUE)[:12]
    assert (status, err) == (0, "")
    assert rows == [
        ("data nyu-mll/glue mnli", data),
        ("data nyu-mll/glue rte", data),
        ("data nyu-mll/glue stsb", data),
        ("model me/bert", hub.commit(BERT)[:12]),
    ]


@pytest.mark.slow
def test_a_second_time_nothing_is_downloaded(prefetch_command, sweep_file, hub):
    prefetch_command(sweep_file)
    hub.requests.clear()
    _, out, _ = prefetch_command(sweep_file)
    assert out.count(", cached, ") == 4
    assert hub.downloads() == []


@pytest.mark.slow
def test_fetching_does_not_load_torch(sweep_file, hub, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('torch')")
    path = os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "stablebert", "prefetch", sweep_file]
    env = hub.env(tmp_path / "hf") | {"PYTHONPATH": path}
    subprocess.run(command, env=env, check=True, capture_output=True)


def size_of(folder):
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())


@pytest.mark.slow
def test_the_size_to_copy_excludes_unfinished_downloads_and_other_repositories(
    prefetch_command, sweep_file, client, tmp_path
):
    cache = tmp_path / "hf" / "hub"
    prefetch_command(sweep_file)
    size = size_of(cache / "datasets--nyu-mll--glue") + size_of(cache / "models--me--bert")
    (cache / "models--me--bert" / "blobs" / "x.incomplete").write_bytes(bytes(10**6))
    (cache / "models--me--other").mkdir()
    _, out, _ = prefetch_command(sweep_file)
    assert f"To copy, {prefetch.format_size(size)} in {cache}:" in out
    assert "models--me--other" not in out


def write_program(file, text):
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


@pytest.fixture
def copied_home(prefetch_command, sweep_file, client, tmp_path):
    """HF_HOME of another machine, which is a folder, filled by the printed commands."""
    client.set(HF_HOME=f"{tmp_path}/a b/here")
    _, out, _ = prefetch_command(sweep_file)
    assert "HF_HOME=/shared/huggingface HF_HUB_OFFLINE=1" in out
    commands = [line.strip() for line in out.splitlines() if re.match(" +(ssh|cd) ", line)]
    there = tmp_path / "there"
    tools = tmp_path / "tools"
    write_program(tools / "ssh", 'shift\nexec "$@"')
    option = '[ "$1 $2" = "-a --exclude=*.incomplete" ] || exit 9'
    write_program(tools / "rsync", f'{option}\nshift 2\nexec cp -a "$@"')
    script = "\n".join(commands).replace("HOST:", "").replace("/shared/huggingface", str(there))
    env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-e"], input=script, env=env, text=True, check=True)
    shutil.rmtree(tmp_path / "a b")
    return there


@pytest.mark.slow
def test_the_printed_commands_copy_both_repositories(copied_home):
    names = {folder.name for folder in (copied_home / "hub").iterdir()}
    assert names == {"datasets--nyu-mll--glue", "models--me--bert"}


@pytest.mark.slow
def test_a_copied_cache_trains_without_a_network(copied_home, hub, tmp_path):
    hub.stop()
    env = hub.env(copied_home) | {"HF_HUB_OFFLINE": "1"}
    arguments = ["task=stsb", *MINI, "trainer.max_steps=2", "trainer.threads=1"]
    folders = [f"paths.runs={tmp_path}/runs", f"paths.cache={tmp_path}/cache"]
    command = [sys.executable, "-m", "stablebert", "train", *arguments, *folders]
    subprocess.run(command, env=env, check=True, capture_output=True)
    assert len(list((tmp_path / "runs").rglob("result.json"))) == 1


@pytest.mark.slow
def test_a_copied_cache_is_complete_without_a_network(
    copied_home, client, hub, prefetch_command, sweep_file
):
    hub.requests.clear()
    client.set(HF_HOME=str(copied_home), HF_HUB_OFFLINE="1")
    assert prefetch_command(sweep_file)[0] == 0
    assert hub.requests == []


@pytest.fixture
def partly_available(prefetch_command):
    """Outcome of prefetching two items that exist and two that do not."""
    return prefetch_command(
        *("table1", "scale=mini", "task=rte", "seed=0"),
        *("model.name=me/bert,me/none", "data.source=hub,/no/such"),
    )


@pytest.mark.slow
def test_each_unavailable_item_is_reported_with_the_reason(partly_available):
    status, _, err = partly_available
    data, model = err.splitlines()
    assert status == 1
    assert re.match(r"not fetched: data /no/such rte: .*'/no/such' is not a folder", data)
    assert re.match(r"not fetched: model me/none: .*no such repository", model)


@pytest.mark.slow
def test_an_unavailable_item_does_not_stop_the_others(partly_available):
    out = partly_available[1]
    assert "[1/4] data /no/such rte: failed" in out
    assert "[4/4] model me/none: failed" in out
    assert "models--me--bert" in out


@pytest.mark.slow
def test_a_hub_that_is_down_is_reported_for_each_item(prefetch_command, client, dead_url):
    client.set(HF_ENDPOINT=dead_url)
    status, out, err = prefetch_command("table1", *MINI, "task=rte")
    assert status == 1
    assert err.count("does not answer") == 2
    assert "rsync" not in out


def fake_item(name, fetch):
    return HubItem("model", name, fetch, find_commit=str)


def test_an_unexpected_error_stops_no_other_item(monkeypatch, tmp_path):
    folder = tmp_path / "hub/models--b/snapshots" / ("0" * 40)
    folder.mkdir(parents=True)

    def broken(download=True):
        raise RuntimeError("xet")

    items = [fake_item("a", broken), fake_item("b", lambda download=True: folder)]
    monkeypatch.setattr(prefetch, "required_items", lambda _: items)
    lines = []
    assert prefetch.fetch_required_items([], lines.append) == ["model a: RuntimeError: xet"]
    assert lines[1].startswith(f"[2/2] model b: {folder.name[:12]}, 0 bytes, cached")


def test_a_snapshot_that_the_cache_no_longer_resolves_to_is_reported(monkeypatch, tmp_path):
    folder = tmp_path / "hub/models--b/snapshots" / ("0" * 40)
    folder.mkdir(parents=True)

    def moved(download=True):
        if not download:
            raise HubError("not complete")
        return folder

    monkeypatch.setattr(prefetch, "required_items", lambda _: [fake_item("b", moved)])
    (problem,) = prefetch.fetch_required_items([], lambda _: None)
    assert problem == "model b: without a network it is not complete; run this again"


def test_the_demo_needs_nothing_from_the_hub(capsys):
    assert main(["prefetch", "table1", "scale=demo", "task=rte,cola"]) == 0
    out = capsys.readouterr().out
    assert "[1/3] data demo cola: generated, nothing to fetch" in out
    assert "[3/3] model demo: in the package, nothing to fetch" in out
    assert "rsync" not in out


def test_folders_need_nothing_from_the_hub(capsys, tiny_glue, tiny_bert):
    folders = [f"data.source={tiny_glue}", f"model.name={tiny_bert}"]
    assert main(["prefetch", "table1", "scale=mini", "task=rte", *folders]) == 0
    assert capsys.readouterr().out.count("a folder, nothing to fetch") == 2


@pytest.mark.parametrize(
    ("size", "text"),
    [(999, "999 bytes"), (1000, "1 kB"), (1.34e9, "1.34 GB")],
)
def test_sizes_are_in_powers_of_1000(size, text):
    assert prefetch.format_size(size) == text
