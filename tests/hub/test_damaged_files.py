"""Files that are damaged during their download or in the cache are refused by name."""

import os
import shutil

import pytest

from stablebert.errors import InputError
from stablebert.glue.sources import resolve
from stablebert.hub import HubError, fetch_glue, fetch_model
from stablebert.models.folder import check_folder
from stablebert.tasks import TASKS
from tests.helpers.hub_server import flip_bytes

pytestmark = pytest.mark.slow


WEIGHTS, CONFIG = "model.safetensors", "config.json"


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_a_file_damaged_during_its_download_is_refused(hub, client, name):
    hub.damaged = name
    with pytest.raises(HubError, match=rf"{name}: its content is not that of commit .*; delete /"):
        fetch_model("me/bert")


@pytest.fixture
def damage(client):
    """Function that changes eight bytes of a cached file and returns its path."""

    def damage(name):
        file = fetch_model("me/bert", download=False) / name
        blob = file.resolve()
        blob.chmod(0o644)
        blob.write_bytes(flip_bytes(blob.read_bytes()))
        return file

    fetch_model("me/bert")
    return damage


@pytest.mark.parametrize("download", [True, False], ids=["online", "offline"])
@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_a_damaged_file_in_the_cache_is_refused(client, damage, name, download):
    file = damage(name)
    with pytest.raises(HubError) as error:
        fetch_model("me/bert", download=download)
    assert f"{file}: its content is not that of commit {file.parent.name}" in str(error.value)
    assert f"delete {file.resolve()}" in str(error.value)


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_a_damaged_file_is_downloaded_again_after_it_is_deleted(client, damage, name):
    file = damage(name)
    file.resolve().unlink()
    assert fetch_model("me/bert") == file.parent


def test_a_file_that_is_no_link_is_compared_with_the_listing_of_the_commit(hub, client):
    folder = fetch_model("me/bert")
    if not (folder.parents[1] / "trees").is_dir():
        pytest.skip("this version of huggingface_hub keeps no listing")
    weights = folder / WEIGHTS
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content)
    assert fetch_model("me/bert", download=False) == folder
    weights.write_bytes(flip_bytes(content))
    with pytest.raises(HubError, match=f"delete {weights}"):
        fetch_model("me/bert", download=False)


@pytest.fixture
def copied_cache(client):
    """Snapshot folder of a cache that was copied without its links and listings."""
    folder = fetch_model("me/bert")
    for file in folder.iterdir():
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)
    shutil.rmtree(folder.parents[1] / "blobs")
    shutil.rmtree(folder.parents[1] / "trees", ignore_errors=True)
    return folder


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", CONFIG, WEIGHTS])
def test_a_damaged_file_without_a_known_hash_is_named_with_how_to_get_it_again(
    client, copied_cache, name
):
    file = copied_cache / name
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError) as error:
        check_folder(fetch_model("me/bert", download=False), max_length=8)
    assert f"{file}: " in str(error.value)
    assert f"delete {file} and run this again, with a network" in str(error.value)
    file.unlink()
    check_folder(fetch_model("me/bert"), max_length=8)


def test_a_blob_may_be_a_link_into_a_shared_store(client, tmp_path):
    weights = fetch_model("me/bert") / WEIGHTS
    blob = weights.parent / os.readlink(weights)
    store = tmp_path / ("0" * 64)
    blob.rename(store)
    blob.symlink_to(store)
    assert fetch_model("me/bert", download=False) == weights.parent


def test_damaged_data_in_the_cache_are_refused(client):
    file = fetch_glue("rte") / "rte" / "train-00000-of-00001.parquet"
    file.resolve().write_bytes(flip_bytes(file.read_bytes()))
    with pytest.raises(HubError, match=f"{file}: its content is not that of commit"):
        resolve("hub", TASKS["rte"])
