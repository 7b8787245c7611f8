import pytest

from stablebert.hub.errors import HubError
from stablebert.hub.folders import find_model_files, is_model_folder, model_files, shards


def create(folder, *names):
    for name in names:
        (folder / name).write_text(name)


def test_shards_are_in_row_order(tmp_path):
    create(tmp_path, "train-00001-of-00002.parquet", "train-00000-of-00002.parquet")
    files = shards(tmp_path, "train")
    assert [f.name[6:11] for f in files] == ["00000", "00001"]


def test_a_missing_shard_makes_the_split_empty(tmp_path):
    create(tmp_path, "train-00000-of-00002.parquet")
    assert shards(tmp_path, "train") == ()


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00002", "train-00000-of-00002 (copy)"],
        ["train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"],
        ["train-00000-of-00001", "train-copy"],
        ["train-00001-of-00002", "train-00002-of-00002"],
    ],
)
def test_shards_that_are_not_each_there_once_make_the_split_empty(tmp_path, names):
    create(tmp_path, *(f"{name}.parquet" for name in names))
    assert shards(tmp_path, "train") == ()


@pytest.mark.parametrize("missing", ["config.json", "vocab.txt", "model.safetensors"])
def test_a_model_folder_needs_configuration_tokenizer_and_weights(tmp_path, missing):
    create(tmp_path, *{"config.json", "vocab.txt", "model.safetensors"} - {missing})
    assert not is_model_folder(tmp_path)
    create(tmp_path, missing)
    assert is_model_folder(tmp_path)


def test_sharded_weights_must_be_complete(tmp_path):
    create(tmp_path, "config.json", "vocab.txt", "model-00001-of-00002.safetensors")
    index = '{"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}'
    (tmp_path / "model.safetensors.index.json").write_text(index)
    assert not is_model_folder(tmp_path)
    create(tmp_path, "model-00002-of-00002.safetensors")
    assert is_model_folder(tmp_path)


def test_safetensors_are_preferred_to_pickles(tmp_path):
    create(tmp_path, "config.json", "vocab.txt", "model.safetensors", "pytorch_model.bin")
    names = [file.name for file in model_files(tmp_path)]
    assert names == ["config.json", "model.safetensors", "vocab.txt"]


def test_an_incomplete_model_folder_is_reported_with_its_contents(tmp_path):
    create(tmp_path, "config.json", "notes.txt")
    with pytest.raises(HubError, match=r"model.name=.*it contains config.json, notes.txt"):
        model_files(tmp_path)


def test_an_incomplete_model_folder_has_no_files(tmp_path):
    create(tmp_path, "config.json", "vocab.txt")
    assert find_model_files(tmp_path) == []
