"""Weight files are whole and contain numbers."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from stablebert.models.files import ModelError
from stablebert.models.weights import check_weights, weight_files


def check_is_refused(folder, message):
    with pytest.raises(ModelError, match=message):
        check_weights(folder, lambda name: True)


@pytest.fixture
def folder(tmp_path):
    """Weights of four types, of which one is a head."""
    tensors = {
        "a": torch.ones(3, dtype=torch.float16),
        "b": torch.ones(2, 2, dtype=torch.bfloat16),
        "c": torch.full((3,), -3.4e38),
        "cls": torch.ones(1, dtype=torch.float64),
    }
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path


def change(folder, name, value):
    tensors = load_file(folder / "model.safetensors")
    tensors[name].view(-1)[-1] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_numbers_are_accepted(folder):
    check_weights(folder, lambda name: True)


@pytest.mark.parametrize("name", ["a", "b", "c", "cls"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_what_is_not_a_number_is_named(folder, name, value):
    change(folder, name, float(value))
    check_is_refused(folder, rf"model\.safetensors: {name} contains NaN or infinity")


def test_a_tensor_that_is_not_used_may_contain_anything(folder):
    change(folder, "cls", np.nan)
    check_weights(folder, lambda name: name != "cls")


def test_quantized_tensors_are_refused(folder):
    save_file({"a": torch.ones(2, dtype=torch.int8)}, folder / "model.safetensors")
    check_is_refused(folder, r"1 tensor of type I8, a first; .* from which this one was quan")


@pytest.mark.parametrize("size", [4, 50, -1])
def test_a_truncated_file_is_named(folder, size):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    check_is_refused(folder, r"model\.safetensors: truncated or damaged")


def test_a_truncated_pickle_is_named(tmp_path):
    file = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.ones(100)}, file)
    check_weights(tmp_path, lambda name: True)
    file.write_bytes(file.read_bytes()[:-1])
    check_is_refused(tmp_path, r"pytorch_model\.bin: not a whole file of torch\.save")


def test_missing_weights_are_reported(tmp_path):
    check_is_refused(tmp_path, "no weights; expected model.safetensors or pytorch_model.bin")


@pytest.fixture
def sharded(folder):
    """The same weights in two files."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    shards = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(sorted(tensors))}
    for shard in set(shards.values()):
        save_file({n: tensors[n] for n in tensors if shards[n] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    return folder


def test_all_shards_are_read(sharded):
    assert [file.name for file in weight_files(sharded)] == [
        "model-0.safetensors",
        "model-1.safetensors",
    ]


def test_a_missing_shard_is_named(sharded):
    (sharded / "model-1.safetensors").unlink()
    check_is_refused(sharded, r"index\.json: the folder lacks model-1\.safetensors")


@pytest.mark.parametrize("content", ["{}", '{"weight_map": [1]}', '{"weight_map": {"a": 1}}'])
def test_an_index_without_a_map_is_refused(sharded, content):
    (sharded / "model.safetensors.index.json").write_text(content)
    check_is_refused(sharded, r"index\.json: no weight_map")


def test_an_index_of_other_folders_is_refused(sharded):
    shutil.copy(sharded / "model-0.safetensors", sharded.parent / "outside.safetensors")
    index = json.dumps({"weight_map": {"a": "../outside.safetensors"}})
    (sharded / "model.safetensors.index.json").write_text(index)
    check_is_refused(sharded, r"weight_map must name files of this folder")
