"""Checks of a model folder, which name the faulty file and do not load torch."""

import json
import re
import shutil

import pytest
from transformers import AutoConfig

from stablebert.models.architectures import ARCHITECTURES
from stablebert.models.files import ModelError
from stablebert.models.folder import check_folder, load_settings
from stablebert.models.formats import FIXED, NEUTRAL, PACKED, UNUSED, is_unused
from tests.helpers.models import copy_model

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1340\n"
FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture
def folder(tiny_bert, tmp_path):
    return shutil.copytree(tiny_bert, tmp_path / "bert")


def check_is_refused(folder, message, max_length=128):
    with pytest.raises(ModelError, match=message):
        check_folder(folder, max_length=max_length)


def test_every_architecture_has_a_folder_without_problems(folders):
    for folder in folders.values():
        check_folder(folder, max_length=128)


def test_every_architecture_says_which_tensors_it_does_not_use():
    assert UNUSED.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize("kind", [k for k, a in ARCHITECTURES.items() if a.packed_forward])
def test_every_setting_of_a_packed_architecture_is_known(kind):
    """A new version of the library may add some that the packed forward pass ignores."""
    common = vars(AutoConfig.for_model("distilbert")).keys()  # of every model
    declared = set(AutoConfig.for_model(kind).to_dict())
    assert declared - common - PACKED - NEUTRAL - FIXED.keys() == set()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("content", "problem"), [("", "empty"), (LFS, "a Git-LFS pointer")])
def test_a_file_without_content_is_named(folder, name, content, problem):
    (folder / name).write_text(content)
    check_is_refused(folder, f"{re.escape(str(folder / name))}: {problem}")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<html>", "not JSON"),
        (b'{"a": NaN}', "not JSON .NaN is not a number"),
        (b"[]", "a JSON list, not an object"),
        (b"[" * 10**5, "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
    ],
)
def test_a_file_that_is_not_json_is_named(folder, name, content, problem):
    (folder / name).write_bytes(content)
    check_is_refused(folder, f"{re.escape(str(folder / name))}: {problem}")


def test_a_missing_configuration_is_named(folder):
    (folder / "config.json").unlink()
    check_is_refused(folder, r"config\.json: No such file")


def test_an_empty_vocabulary_is_named(folder):
    (folder / "vocab.txt").touch()
    check_is_refused(folder, r"vocab\.txt: empty")


def test_a_configuration_without_a_type_is_refused(folder):
    (folder / "config.json").write_text("{}")
    check_is_refused(folder, r"config\.json: no model_type; .* bert, roberta")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("position_embedding_type", "relative_key"),
        ("position_embedding_type", "relative_key_query"),
        ("pruned_heads", {"0": [1]}),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}),
        ("per_layer_config", {"0": {"intermediate_size": 8}}),
    ],
)
def test_a_setting_that_no_model_here_computes_is_refused_by_name(tiny_bert, tmp_path, name, value):
    folder = copy_model(tiny_bert, tmp_path / "bert", config={name: value})
    check_is_refused(folder, rf"config\.json: {name}={re.escape(repr(value))} is not supported")


@pytest.mark.parametrize(
    ("name", "value"),
    [("position_embedding_type", "absolute"), ("is_decoder", False), ("pruned_heads", {})],
)
def test_a_setting_at_its_default_is_accepted(tiny_bert, tmp_path, name, value):
    folder = copy_model(tiny_bert, tmp_path / "bert", config={name: value})
    assert load_settings(folder)[name] == value


@pytest.mark.parametrize(
    ("kind", "setting", "problem"),
    [
        ("bert", {"attention_probs_dropout_prob": 1}, "is not a dropout rate"),
        ("bert", {"hidden_dropout_prob": -0.1}, "is not a dropout rate"),
        ("bart", {"encoder_layerdrop": 1.5}, "is not a dropout rate"),
        ("bert", {"initializer_range": -0.02}, "is not a standard deviation"),
        ("roberta", {"pad_token_id": None}, "is not an id"),
    ],
)
def test_a_setting_out_of_range_is_named(folders, tmp_path, kind, setting, problem):
    folder = copy_model(folders[kind], tmp_path / kind, config=setting)
    ((name, value),) = setting.items()
    check_is_refused(folder, rf"config\.json: {name}={value} {problem}")


def test_code_of_a_model_is_refused_and_not_run(tiny_bert, tmp_path):
    code = {"AutoModel": "modeling.Model"}
    folder = copy_model(tiny_bert, tmp_path / "bert", config={"auto_map": code})
    check_is_refused(folder, r"config\.json: auto_map says .* code of its own, which is not run")


def test_an_adapter_is_refused(folder):
    (folder / "adapter_config.json").write_text("{}")
    check_is_refused(folder, r"adapter_config\.json: adapters are not loaded")


def test_rows_longer_than_the_positions_are_refused(folder):
    message = r"data\.max_length=129: .*config\.json has 128 positions; .* at most 128"
    check_is_refused(folder, message, max_length=129)


def test_tokens_without_an_embedding_are_refused(tiny_bert, tmp_path):
    folder = copy_model(tiny_bert, tmp_path / "bert", config={"vocab_size": 100})
    check_is_refused(folder, r"tokenizer\.json: token '.*' has id 152, .* vocab_size=100")


def test_a_tokenizer_without_a_vocabulary_is_refused(folder):
    content = json.loads((folder / "tokenizer.json").read_text())
    del content["model"]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    check_is_refused(folder, r"tokenizer\.json: not a tokenizer")


@pytest.mark.parametrize(
    ("kind", "tensor"),
    [
        ("bert", "cls.predictions.transform.dense.weight"),
        ("bert", "cls.seq_relationship.bias"),
        ("bert", "bert.embeddings.position_ids"),
        ("bert", "qa_outputs.weight"),
        ("roberta", "lm_head.decoder.weight"),
        ("roberta", "roberta.pooler.dense.weight"),
        ("roberta", "pooler.dense.bias"),
        ("electra", "discriminator_predictions.dense.weight"),
        ("albert", "predictions.decoder.weight"),
        ("albert", "sop_classifier.classifier.weight"),
        ("distilbert", "vocab_transform.weight"),
        ("xlnet", "lm_loss.weight"),
        ("bart", "final_logits_bias"),
        ("deberta-v2", "lm_predictions.lm_head.bias"),
        ("modernbert", "decoder.bias"),
    ],
)
def test_heads_of_other_tasks_are_not_used(kind, tensor):
    assert is_unused(kind, tensor)


@pytest.mark.parametrize(
    "tensor",
    [
        "bert.encoder.layer.0.attention.self.distance_embedding.weight",
        "encoder.layer.12.output.dense.weight",
        "bert.embeddings.gate.weight",
        "pooler.dense.weight",
    ],
)
def test_tensors_of_an_encoder_are_used(tensor):
    assert not is_unused("bert", tensor)
