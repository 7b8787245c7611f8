"""The real client against a loopback hub."""

import io
import json
import logging
import subprocess
import sys
from dataclasses import replace

import huggingface_hub as hf
import pytest

from stablebert.cli.main import main
from stablebert.glue.datamodule import data_module
from stablebert.glue.sources import resolve
from stablebert.hub import HubError, fetch_glue, fetch_model, find_commit, limits
from stablebert.hub import client as hub_client
from stablebert.tasks import TASKS
from tests.helpers.hub_server import BERT, GLUE

pytestmark = pytest.mark.slow


def test_a_snapshot_folder_is_named_after_the_commit(hub, client):
    assert fetch_glue("rte").name == hub.commit(GLUE)


def test_each_file_is_downloaded_once(hub, client):
    fetch_glue("rte")
    fetch_model("me/bert")
    downloads = hub.downloads()
    assert len(downloads) == len(set(downloads)) > 0


def test_copies_of_a_model_in_other_formats_are_not_downloaded(hub, client):
    fetch_model("me/bert")
    assert not [request for request in hub.requests if "onnx" in request]


def test_what_is_cached_is_found_offline_without_a_request(hub, client):
    folders = [fetch_glue("rte"), fetch_model("me/bert")]
    hub.requests.clear()
    client.set(HF_HUB_OFFLINE="1")
    assert [fetch_glue("rte"), fetch_model("me/bert")] == folders
    assert hub.requests == []


def test_a_data_module_reads_a_snapshot(hub, client, tmp_path):
    source = resolve("hub", TASKS["rte"])
    model = fetch_model("me/bert")
    data = data_module("rte")(source=source, tokenizer=model, cache=tmp_path / "cache")
    data.setup("fit")
    assert source.content.address == f"nyu-mll/glue@{hub.commit(GLUE)}"
    assert data.splits["train"]["rows"] == 1800


def test_data_of_the_hub_hold_out_as_many_rows_as_the_entry_says(hub, client):
    assert resolve("hub", replace(TASKS["rte"], held_out=10)).held_out == 10


def test_a_pinned_and_cached_commit_needs_no_request(hub, client):
    commit = hub.commit(GLUE)
    folder = fetch_glue("rte", commit)
    hub.requests.clear()
    assert fetch_glue("rte", commit) == folder
    assert hub.requests == []


def test_a_pinned_and_cached_commit_is_used_without_a_warning_if_the_hub_is_down(
    hub, client, dead_url, caplog
):
    commit = hub.commit(GLUE)
    folder = fetch_glue("rte", commit)
    client.set(HF_ENDPOINT=dead_url)
    assert fetch_glue("rte", commit) == folder
    assert caplog.text == ""


def test_a_branch_is_read_from_the_cache_with_a_warning_if_the_hub_is_down(
    hub, client, dead_url, caplog
):
    folder = fetch_glue("rte")
    client.set(HF_ENDPOINT=dead_url)
    assert fetch_glue("rte") == folder
    assert caplog.text.count(f"using the cached commit {hub.commit(GLUE)}") == 1
    assert "does not answer" in caplog.text


PINS = pytest.mark.parametrize("pin", ["0123456789" * 4, "v7"])


@PINS
def test_no_cached_commit_replaces_another_one_if_the_hub_is_down(client, dead_url, pin):
    fetch_glue("rte")
    client.set(HF_ENDPOINT=dead_url)
    with pytest.raises(HubError, match=pin):
        fetch_glue("rte", pin)


@PINS
def test_a_revision_that_does_not_exist_is_reported(client, pin):
    with pytest.raises(HubError, match="no such revision"):
        fetch_glue("rte", pin)


def test_a_hub_that_is_down_is_reported_with_every_alternative(client, dead_url):
    client.set(HF_ENDPOINT=dead_url)
    with pytest.raises(HubError) as error:
        fetch_glue("rte")
    for text in ("data.source=FOLDER", "HF_ENDPOINT", "HF_HOME", "does not answer"):
        assert text in str(error.value)


def test_a_hub_with_credentials_that_is_down_is_reported_without_them(client, dead_url):
    client.set(HF_ENDPOINT=dead_url.replace("://", "://me:hf_secret@"))
    with pytest.raises(HubError, match=r"://\*\*\*@127") as error:
        fetch_glue("rte")
    assert "hf_secret" not in str(error.value)


def test_a_hub_that_never_answers_is_given_up(client, silent_url, monkeypatch):
    monkeypatch.setattr(hub_client, "PROBE_SECONDS", 0.2)  # short on purpose
    client.set(HF_ENDPOINT=silent_url)
    with pytest.raises(HubError, match="ReadTimeout"):
        fetch_model("me/bert")


@pytest.fixture
def short_limits(client, monkeypatch):
    """Time limits of a fraction of a second."""
    from huggingface_hub import constants

    if not hasattr(hf.get_session(), "event_hooks"):
        pytest.skip("huggingface_hub 0 sends its requests with requests, not httpx")
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0)
    monkeypatch.setattr(limits, "SILENCE_SECONDS", 0.2)  # short on purpose
    monkeypatch.setattr(limits, "STALL_SECONDS", 1)  # short on purpose


def test_a_request_without_a_time_limit_gets_one(short_limits, silent_url):
    limits.limit_waiting()
    with pytest.raises(Exception, match="timed out"):
        hf.get_session().get(silent_url, timeout=None)


@pytest.mark.parametrize("seconds", [0.01, 3600], ids=["byte by byte", "silent"])
@pytest.mark.parametrize("match", ["train-00000", "/tree/"])
def test_a_download_without_progress_is_given_up(
    hub, client, short_limits, short_sleeps, match, seconds
):
    hub.slow = match, seconds
    with pytest.raises(HubError, match=r"stalled \(\d+ bytes arrived within 1 s"):
        fetch_glue("rte")


def test_a_download_without_progress_is_replaced_by_the_cache(
    hub, client, short_limits, short_sleeps, caplog
):
    folder = fetch_glue("rte")
    hub.slow = "/tree/", 0.01
    (hub.served / "glue" / "README.md").write_text("a new commit")
    assert fetch_glue("rte") == folder
    assert "stalled" in caplog.text


def test_a_slow_download_that_progresses_is_not_given_up(hub, client, short_limits, monkeypatch):
    monkeypatch.setattr(limits, "STALL_BYTES", 10)
    monkeypatch.setattr(limits, "STALL_SECONDS", 0.4)  # short on purpose
    hub.slow = "tokenizer_config", 0.01
    size = (hub.served / "bert" / "tokenizer_config.json").stat().st_size
    assert size * 0.01 > limits.STALL_SECONDS
    assert fetch_model("me/bert").name == hub.commit(BERT)


def test_the_warnings_of_the_client_mask_credentials(client, monkeypatch):
    limits.limit_waiting()
    (handler,) = logging.getLogger("huggingface_hub").handlers
    monkeypatch.setattr(handler, "stream", io.StringIO())
    logging.getLogger("huggingface_hub.x").warning("retrying %s", "https://me:pw@host")
    assert handler.stream.getvalue() == "retrying https://***@host\n"


def test_offline_an_uncached_snapshot_is_reported_without_a_request(hub, client):
    client.set(HF_HUB_OFFLINE="1")
    with pytest.raises(HubError, match=r"HF_HUB_OFFLINE is set.*unset HF_HUB_OFFLINE"):
        fetch_glue("rte")
    assert hub.requests == []


@pytest.fixture
def partial_snapshot(client):
    """A cached snapshot with one of two files, which the client accepts offline."""
    file = "rte/train-00000-of-00001.parquet"
    hf.hf_hub_download("nyu-mll/glue", file, repo_type="dataset")


def test_a_partial_snapshot_is_refused_offline(partial_snapshot, client):
    client.set(HF_HUB_OFFLINE="1")
    with pytest.raises(HubError, match="not complete"):
        fetch_glue("rte")


def test_a_partial_snapshot_is_completed_online(partial_snapshot, client):
    folder = fetch_glue("rte")
    client.set(HF_HUB_OFFLINE="1")
    assert fetch_glue("rte") == folder


def test_a_missing_shard_is_refused(hub, client):
    rte = hub.served / "glue" / "rte"
    (rte / "train-00000-of-00001.parquet").rename(rte / "train-00000-of-00002.parquet")
    with pytest.raises(HubError, match="lacks files"):
        fetch_glue("rte")


def test_a_missing_repository_is_reported_after_one_request(hub, client):
    with pytest.raises(HubError, match=r"'me/nothing'.*no such repository"):
        fetch_model("me/nothing")
    assert len(hub.requests) == 1


def test_a_gated_repository_is_reported(hub, client):
    hub.fail("HEAD", 403, n=9, code="GatedRepo")
    with pytest.raises(HubError, match="gated"):
        fetch_model("me/bert")


def test_a_name_that_is_not_an_id_is_reported(client):
    with pytest.raises(HubError, match=r"'\./no/such/folder'.*neither a folder nor an id"):
        fetch_model("./no/such/folder")


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
def test_a_passing_failure_is_retried(hub, client, short_sleeps, match, status):
    hub.fail(match, status)
    assert fetch_glue("rte").name == hub.commit(GLUE)
    assert not hub.faults


def test_a_hub_that_keeps_failing_is_replaced_by_the_cache(hub, client, short_sleeps, caplog):
    folder = fetch_glue("rte")
    hub.fail("/api/", 503, n=99)
    assert fetch_glue("rte") == folder
    assert "failed 3 times" in caplog.text


def test_the_old_commit_of_a_branch_that_moved_is_not_returned(hub, client, short_sleeps):
    old = fetch_glue("rte")
    (hub.served / "glue" / "README.md").write_text("a new commit")
    hub.fail("/revision/", 200)  # our request
    hub.fail("/revision/", 503)  # the client's, which then silently returns the old snapshot
    new = fetch_glue("rte")
    assert new.name == hub.commit(GLUE) != old.name
    assert not hub.faults


def test_a_pickle_is_not_downloaded_if_there_are_safetensors(hub, client):
    (hub.served / "bert" / "pytorch_model.bin").write_bytes(b"unread")
    fetch_model("me/bert")
    assert not [request for request in hub.requests if "pytorch_model" in request]


def test_a_pickle_is_downloaded_if_there_are_no_safetensors(hub, client):
    (hub.served / "bert" / "pytorch_model.bin").write_bytes(b"unread")
    (hub.served / "bert" / "model.safetensors").unlink()
    folder = fetch_model("me/bert")
    assert (folder / "pytorch_model.bin").is_file()
    client.set(HF_HUB_OFFLINE="1")
    assert fetch_model("me/bert") == folder


def test_a_model_without_weights_is_refused(hub, client):
    (hub.served / "bert" / "model.safetensors").unlink()
    with pytest.raises(HubError, match="lacks files"):
        fetch_model("me/bert")


def test_a_cache_that_cannot_be_written_is_reported(client, tmp_path):
    (tmp_path / "file").write_text("in the way")
    client.set(HF_HOME=str(tmp_path / "file"))
    with pytest.raises(HubError, match="HF_HOME"):
        fetch_glue("rte")


def test_the_commit_of_a_branch_is_found_without_a_download(hub, client):
    assert find_commit("me/bert") == hub.commit(BERT)
    assert hub.downloads() == []


def train_arguments(folder):
    return [
        *("train", "scale=mini", "task=rte", "data.source=hub", "model.name=me/bert"),
        *("trainer.max_steps=2", "trainer.threads=1"),
        *(f"paths.runs={folder}/runs", f"paths.cache={folder}/cache"),
    ]


@pytest.fixture
def finished(hub, client, tmp_path, capsys):
    """Path of the record of a run on data and model of the hub."""
    assert main(train_arguments(tmp_path)) == 0
    capsys.readouterr()
    (result,) = (tmp_path / "runs").rglob("result.json")
    return result


def test_a_run_records_the_commits_as_addresses(hub, finished):
    record = json.loads(finished.read_text())
    assert record["data_address"] == f"nyu-mll/glue@{hub.commit(GLUE)}"
    assert record["model_address"] == f"me/bert@{hub.commit(BERT)}"
    assert record["data"].startswith("sha256:")
    assert record["model"].startswith("sha256:")


def test_a_finished_run_is_found_offline(finished, client, tmp_path, dead_url, capsys):
    client.set(HF_HUB_OFFLINE="1", HF_ENDPOINT=dead_url)
    assert main(train_arguments(tmp_path)) == 0
    assert str(finished) in capsys.readouterr().out


def test_a_finished_run_is_found_after_an_edited_readme(hub, finished, client, tmp_path, capsys):
    (hub.served / "bert" / "README.md").write_text("new")
    client.reload()
    assert main(train_arguments(tmp_path)) == 0
    assert str(finished) in capsys.readouterr().out


def test_the_command_line_reports_a_hub_that_is_down_without_a_traceback(hub, tmp_path, dead_url):
    env = hub.env(tmp_path / "hf")
    env["HF_ENDPOINT"] = dead_url.replace("://", "://me:hf_secret@")
    command = [sys.executable, "-m", "stablebert", "train", "scale=mini"]
    command.append(f"paths.runs={tmp_path / 'runs'}")
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "data.source=FOLDER" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hf_secret" not in done.stdout + done.stderr
    assert not (tmp_path / "runs").exists()
