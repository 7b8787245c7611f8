"""The real client when something between it and the hub answers, or the hub refuses."""

import errno
import os
from functools import partial

import huggingface_hub as hf
import pytest

from stablebert.glue.sources import resolve
from stablebert.hub import HubError, fetch_glue, fetch_model
from stablebert.tasks import TASKS
from tests.helpers.hub_server import BERT, CUT_JSON, GLUE, PAGE, PORTAL

pytestmark = pytest.mark.slow

EVERYTHING = 999
IMPOSTORS = pytest.mark.parametrize("fault", [PAGE, PORTAL, CUT_JSON, 401, 403, 404, 407])
"""Answers without the reason that the hub sends with an error."""
REFUSALS = pytest.mark.parametrize(
    ("status", "code"),
    [(404, "RepoNotFound"), (401, "RepoNotFound"), (404, "RevisionNotFound"), (403, "GatedRepo")],
)
KINDS = pytest.mark.parametrize(
    ("fetch", "repo"),
    [(partial(fetch_glue, "rte"), GLUE), (partial(fetch_model, "me/bert"), BERT)],
    ids=["data", "model"],
)


@IMPOSTORS
@KINDS
def test_the_cache_is_used_with_one_line_if_something_else_answers(
    hub, client, caplog, fault, fetch, repo
):
    folder = fetch()
    hub.fail("/", fault, EVERYTHING)
    client.reload()
    assert fetch() == folder
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"using the cached commit {hub.commit(repo)}" in line
    assert f"{hub.url} answers" in line
    assert "\n" not in line


@REFUSALS
@KINDS
def test_the_cache_is_used_with_one_line_if_the_hub_refuses(
    hub, client, caplog, status, code, fetch, repo
):
    folder = fetch()
    hub.fail("/", status, EVERYTHING, code)
    client.reload()
    assert fetch() == folder
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"{hub.url} answers {status}" in line
    assert f"using the cached commit {hub.commit(repo)}" in line


@KINDS
def test_the_cache_is_used_if_there_is_no_encryption(hub, client, caplog, fetch, repo):
    folder = fetch()
    client.set(HF_ENDPOINT=hub.url.replace("http:", "https:"))
    assert fetch() == folder
    assert "SSL" in caplog.text
    assert f"using the cached commit {hub.commit(repo)}" in caplog.text


def test_the_cache_is_used_if_a_proxy_demands_a_password(hub, client, caplog):
    folder = fetch_glue("rte")
    hub.fail("CONNECT", 407, EVERYTHING)
    client.set(HF_ENDPOINT="https://hub.invalid", https_proxy=hub.url)
    assert fetch_glue("rte") == folder
    assert "407" in caplog.text


@IMPOSTORS
def test_what_something_else_answers_is_reported_if_nothing_is_cached(hub, client, fault):
    hub.fail("/", fault, EVERYTHING)
    with pytest.raises(HubError, match=rf"not complete in the local cache.*{hub.url} answers"):
        fetch_glue("rte")


@pytest.mark.parametrize("fault", [PAGE, 401])
def test_the_cache_does_not_replace_a_revision_that_the_user_named(hub, client, fault):
    fetch_glue("rte")
    hub.fail("/", fault, EVERYTHING)
    with pytest.raises(HubError, match=r"at revision 'v7' is not complete in the local cache"):
        fetch_glue("rte", "v7")


@pytest.mark.parametrize("fault", [PAGE, 403])
def test_a_named_revision_in_the_cache_is_used(hub, client, caplog, fault):
    folder = fetch_glue("rte")
    (folder.parents[1] / "refs" / "v7").write_text(folder.name)
    hub.fail("/", fault, EVERYTHING)
    assert fetch_glue("rte", "v7") == folder
    assert f"at revision 'v7': using the cached commit {folder.name}" in caplog.text


@pytest.mark.parametrize("match", ["/tree/", "GET /datasets/", "HEAD"])
@pytest.mark.parametrize("fault", [PAGE, 403])
def test_the_former_commit_is_used_if_files_of_a_new_one_are_blocked(
    hub, client, short_sleeps, caplog, fault, match
):
    folder = fetch_glue("rte")
    (train,) = hub.served.glob("glue/rte/train-*")
    train.write_bytes(train.read_bytes() + b"new")
    hub.fail(match, fault, EVERYTHING)
    client.reload()
    assert fetch_glue("rte") == folder
    assert f"using the cached commit {folder.name}" in caplog.text


def test_a_full_cache_on_a_read_only_disk_is_used(client, caplog, monkeypatch):
    folder, snapshot_download = fetch_glue("rte"), hf.snapshot_download

    def download(name, *, local_files_only, **options):
        if not local_files_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), "refs")
        return snapshot_download(name, local_files_only=True, **options)

    monkeypatch.setattr(hf, "snapshot_download", download)
    assert fetch_glue("rte") == folder
    assert "Read-only file system" in caplog.text


def test_a_data_source_is_read_from_the_cache_behind_a_login_page(hub, client):
    source = resolve("hub", TASKS["rte"])
    hub.fail("/", PAGE, EVERYTHING)
    assert resolve("hub", TASKS["rte"]).content == source.content
