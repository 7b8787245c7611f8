import os

import pytest

from stablebert.config.compose import compose
from stablebert.hub import fetch_glue, fetch_model
from stablebert.ops.checks import hub as checks
from stablebert.ops.checks.hub import check_data, check_hub, check_model
from tests.helpers.hub_server import BERT, GLUE, flip_bytes

pytestmark = pytest.mark.slow
REAL = ["scale=mini", "task=rte", "model.name=me/bert", "data.source=hub"]
DATA = pytest.mark.parametrize("check", [check_data, check_model])


def only(findings):
    (finding,) = findings
    return finding


@pytest.fixture
def cached(client):
    """Cache that contains what the configuration needs."""
    fetch_glue("rte")
    fetch_model("me/bert")


def test_a_hub_that_answers_is_fine(client, hub, tmp_path):
    finding = only(check_hub(compose(REAL)))
    assert finding.level == "ok"
    assert finding.text.startswith(f"hub: cache {tmp_path}/hf/hub ")
    assert finding.text.endswith(f"; {hub.url} answers")


@pytest.mark.parametrize("url", ["dead_url", "silent_url"])
def test_a_hub_that_does_not_answer_is_a_note(client, url, request, monkeypatch):
    monkeypatch.setattr(checks, "PROBE_SECONDS", 0.2)  # short on purpose
    address = request.getfixturevalue(url)
    client.set(HF_ENDPOINT=address)
    finding = only(check_hub(compose(REAL)))
    assert finding.level == "note"
    assert f"the hub does not answer ({address}" in finding.text


def test_a_hub_in_trouble_is_a_note(client, hub):
    hub.fail("HEAD /", 503)
    finding = only(check_hub(compose(REAL)))
    assert (finding.level, "status 503" in finding.text) == ("note", True)


def test_offline_the_hub_is_not_asked(client, hub):
    client.set(HF_HUB_OFFLINE="1")
    assert only(check_hub(compose(REAL))).level == "ok"
    assert hub.requests == []


def test_a_disk_without_room_is_a_note(client, monkeypatch):
    monkeypatch.setattr(checks, "ENOUGH_BYTES", float("inf"))
    _, finding = check_hub(compose(REAL))
    assert (finding.level, "set HF_HOME" in finding.text) == ("note", True)


@pytest.fixture
def unfinished(cached, tmp_path):
    """An unfinished download."""
    file = tmp_path / "hf/hub/models--me--bert/blobs/x.incomplete"
    file.write_bytes(b"x")
    return file


def test_a_download_in_progress_is_not_reported(unfinished):
    assert only(check_hub(compose(REAL))).level == "ok"


def test_an_abandoned_download_is_a_note(unfinished):
    os.utime(unfinished, (0, 0))
    _, finding = check_hub(compose(REAL))
    assert (finding.level, "1 unfinished download" in finding.text) == ("note", True)


@pytest.mark.parametrize(("check", "repo"), [(check_data, GLUE), (check_model, BERT)])
def test_an_uncached_item_of_the_hub_is_fine_and_not_fetched(client, hub, check, repo):
    finding = only(check(compose(REAL)))
    assert finding.level == "ok"
    text = f"will be fetched from the hub, at commit {hub.commit(repo)[:12]}"
    assert finding.text.endswith(text)
    assert hub.downloads() == []


@DATA
def test_a_revision_that_does_not_exist_is_a_problem(client, check):
    finding = only(check(compose([*REAL, "model.revision=v7", "data.revision=v7"])))
    assert finding.level == "problem"
    assert "at revision 'v7'" in finding.text
    assert "the repository has no such revision" in finding.text


def test_a_repository_that_does_not_exist_is_a_problem(client):
    finding = only(check_model(compose([word.replace("me/bert", "me/none") for word in REAL])))
    assert finding.level == "problem"
    assert "'me/none'" in finding.text
    assert "no such repository" in finding.text


@pytest.mark.parametrize(
    ("check", "fetch", "name"),
    [
        (check_data, lambda: fetch_glue("rte"), "rte/train-00000-of-00001.parquet"),
        (check_model, lambda: fetch_model("me/bert"), "model.safetensors"),
    ],
)
def test_a_damaged_file_is_a_problem(cached, check, fetch, name):
    file = fetch() / name
    file.resolve().write_bytes(flip_bytes(file.read_bytes()))
    finding = only(check(compose(REAL)))
    assert finding.level == "problem"
    assert f"delete {file.resolve()}" in finding.text


@DATA
def test_offline_an_uncached_item_is_a_problem(client, hub, check):
    client.set(HF_HUB_OFFLINE="1")
    finding = only(check(compose(REAL)))
    assert finding.level == "problem"
    assert "HF_HUB_OFFLINE is set: see stablebert prefetch" in finding.text
    assert hub.requests == []


@DATA
def test_an_uncached_item_is_a_problem_if_the_hub_is_down(client, dead_url, check):
    client.set(HF_ENDPOINT=dead_url)
    finding = only(check(compose(REAL)))
    assert finding.level == "problem"
    assert "the hub does not answer" in finding.text


@DATA
@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_cached_item_is_fine_if_the_hub_is_down(cached, client, dead_url, check, offline):
    client.set(HF_ENDPOINT=dead_url, HF_HUB_OFFLINE=offline)
    finding = only(check(compose(REAL)))
    assert (finding.level, "cached at commit" in finding.text) == ("ok", True)


@DATA
def test_a_cache_that_cannot_be_written_is_a_problem_if_an_item_must_be_fetched(
    client, tmp_path, check
):
    (tmp_path / "file").touch()
    client.set(HF_HUB_CACHE=str(tmp_path / "file/hub"))
    finding = only(check(compose(REAL)))
    assert (finding.level, "Not a directory: set HF_HOME" in finding.text) == ("problem", True)


@pytest.fixture
def intermediate(tiny_bert):
    """Function that composes a run that first trains on MNLI, with data of a folder."""
    arguments = ["scale=mini", "task=rte", "method=intermediate", f"model.name={tiny_bert}"]
    return lambda folder: compose([*arguments, f"data.source={folder}"])


def test_the_data_of_the_run_that_a_run_starts_from_are_checked(intermediate, tiny_glue):
    findings = list(check_data(intermediate(tiny_glue)))
    assert [(f.level, f.text.split()[-1]) for f in findings] == [("ok", "mnli"), ("ok", "rte")]


def test_incomplete_data_of_the_run_that_a_run_starts_from_are_a_problem(
    intermediate, tiny_glue, tmp_path
):
    (tmp_path / "mnli").mkdir()
    (tmp_path / "rte").symlink_to(tiny_glue / "rte")
    mnli, rte = check_data(intermediate(tmp_path))
    assert (mnli.level, rte.level) == ("problem", "ok")
    assert "mnli" in mnli.text


def test_an_incomplete_model_folder_is_a_problem(tmp_path):
    finding = only(check_model(compose(["scale=mini", f"model.name={tmp_path}"])))
    assert (finding.level, "config.json" in finding.text) == ("problem", True)
