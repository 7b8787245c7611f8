"""Content is identified by the files that determine numbers, and never by an address."""

import shutil

import pytest

from stablebert.glue.sources import resolve
from stablebert.hub.content import Content, digest
from stablebert.runs.locate import locate_model
from stablebert.tasks import TASKS
from tests.helpers.hub_server import BERT, GLUE, Hub, flip_bytes


def test_the_digest_depends_on_names_and_contents(tmp_path):
    for name, text in {"a": "a", "b": "b", "c": "a"}.items():
        (tmp_path / name).write_text(text)
    assert len({digest([tmp_path / name]) for name in "abc"}) == 3


def test_a_file_that_changes_within_a_process_gets_another_digest(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    before = digest([file])
    file.write_text("two")
    assert digest([file]) != before


def test_a_folder_has_no_address():
    assert Content("sha256:0").address is None


@pytest.fixture
def hub(tiny_glue, tiny_bert, tmp_path):
    """Loopback hub whose repositories the test may edit."""
    served = tmp_path / "served"
    shutil.copytree(tiny_glue / "rte", served / "glue" / "rte")
    shutil.copytree(tiny_bert, served / "bert")
    with Hub({GLUE: served / "glue", BERT: served / "bert"}) as server:
        server.served = served
        yield server


def contents(hub, client):
    """The contents of data and model that the hub serves now."""
    client.reload()
    return resolve("hub", TASKS["rte"]).content, locate_model("me/bert", None, download=True)[1]


def addresses(hub):
    """The addresses of data and model that the hub serves now."""
    return f"nyu-mll/glue@{hub.commit(GLUE)}", f"me/bert@{hub.commit(BERT)}"


def edit_readmes(hub, text):
    for name in ("glue", "bert"):
        (hub.served / name / "README.md").write_text(text)


@pytest.mark.slow
def test_a_snapshot_has_the_identity_of_a_folder_with_the_same_files(hub, client):
    data, model = contents(hub, client)
    folder = resolve(hub.served / "glue", TASKS["rte"]).content
    assert (data.identity, model.identity) == (
        folder.identity,
        locate_model(str(hub.served / "bert"), None, download=True)[1].identity,
    )


@pytest.mark.slow
def test_a_snapshot_has_its_commit_as_address(hub, client):
    assert tuple(c.address for c in contents(hub, client)) == addresses(hub)


@pytest.mark.slow
def test_editing_a_readme_changes_the_commit_and_not_the_identity(hub, client):
    before, old_addresses = contents(hub, client), addresses(hub)
    edit_readmes(hub, "new")
    after = contents(hub, client)
    assert [c.identity for c in after] == [c.identity for c in before]
    assert tuple(c.address for c in after) == addresses(hub) != old_addresses


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer_config.json"])
def test_editing_a_file_that_determines_numbers_changes_the_identity(hub, client, name):
    before = contents(hub, client)[1]
    file = hub.served / "bert" / name
    content = file.read_bytes()
    file.write_bytes(flip_bytes(content) if name == "model.safetensors" else content + b" ")
    after = contents(hub, client)[1]
    assert after.identity != before.identity
    assert after.address == addresses(hub)[1]
