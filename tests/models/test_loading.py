"""Loading of pre-trained folders, and the new head."""

import errno
import json
import re
import shutil
from copy import deepcopy

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from stablebert.models.files import ModelError
from stablebert.models.loading import load_model, save_encoder, unread_settings
from stablebert.models.location import layers
from stablebert.models.surgery import random_layers, reinitialize_top, train_embedding_rows
from tests.helpers.disk import full_disk
from tests.helpers.models import copy_model


@pytest.fixture
def bert(tiny_bert):
    return load_model(tiny_bert, num_labels=2, seed=0)


def test_unknown_architecture_is_refused_by_name(tiny_bert, tmp_path):
    folder = shutil.copytree(tiny_bert, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(
        ValueError, match=r"other/config\.json: architecture 'gpt2' is not .*: bert"
    ):
        load_model(folder, num_labels=2, seed=0)


def test_weights_that_do_not_fill_the_encoder_are_refused(tiny_bert, tmp_path):
    folder = shutil.copytree(tiny_bert, tmp_path / "holes")
    weights = load_file(folder / "model.safetensors")
    partial = {k: v for k, v in weights.items() if "encoder.layer.1." not in k}
    save_file(partial, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"no weights for layer\.1 .*pre-trained bert"):
        load_model(folder, num_labels=2, seed=0)


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def copy(tiny_bert, tmp_path):
    """Function that copies the BERT and changes its tensors, a dictionary."""

    def copy(change):
        return change_weights(shutil.copytree(tiny_bert, tmp_path / "copy"), change)

    return copy


@pytest.mark.parametrize(
    "name",
    ["encoder.layer.0.attention.self.distance_embedding.weight", "encoder.layer.2.output.bias"],
)
def test_a_tensor_without_a_place_is_refused_by_name(copy, name):
    folder = copy(lambda weights: weights.update({name: torch.ones(2)}))
    with pytest.raises(ModelError, match=rf"no place in the model for 1 tensor, {name} first"):
        load_model(folder, num_labels=2, seed=0)


def test_heads_of_other_tasks_are_reported_and_change_nothing(copy, bert, caplog):
    heads = {"cls.predictions.bias": torch.ones(2), "embeddings.position_ids": torch.arange(9)}
    model = load_model(copy(lambda weights: weights.update(heads)), num_labels=2, seed=0)
    assert all(
        torch.equal(p, q) for p, q in zip(model.parameters(), bert.parameters(), strict=True)
    )
    assert "copy: heads of other tasks are not used: cls.predictions" in caplog.text


def test_a_setting_that_nothing_reads_is_reported(tiny_bert, tmp_path, caplog):
    folder = copy_model(tiny_bert, tmp_path / "copy", config={"rotary_dim": 8, "name": "a bert"})
    load_model(folder, num_labels=2, seed=0)
    assert "config.json: nothing reads rotary_dim; if the model was trained" in caplog.text


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("bert", "gradient_checkpointing position_embedding_type directionality pooler_type"),
        ("roberta", "position_embedding_type classifier_dropout bos_token_id"),
        ("electra", "summary_type summary_use_proj embedding_size"),
        ("xlnet", "untie_r bi_data d_head end_n_top ff_activation task_specific_params n_token"),
        ("bart", "_num_labels add_bias_logits classif_dropout normalize_before num_hidden_layers"),
        ("albert", "down_scale_factor gap_size net_structure_type num_memory_blocks"),
        ("distilbert", "tie_weights_ sinusoidal_pos_embds qa_dropout num_attention_heads"),
        ("deberta-v2", "position_buckets norm_rel_ebd share_att_key conv_act pooler_hidden_size"),
        ("modernbert", "global_rope_theta local_rope_theta layer_norm_eps reference_compile"),
    ],
)
def test_settings_of_published_models_are_not_reported(kind, names):
    assert unread_settings(names.split(), AutoConfig.for_model(kind)) == []


def test_weights_of_another_shape_are_refused(tiny_bert, tmp_path):
    folder = copy_model(tiny_bert, tmp_path / "copy", config={"intermediate_size": 48})
    message = r"intermediate\.dense\.bias has shape \(32,\) in the weights, \(48,\) in the config"
    with pytest.raises(ModelError, match=message):
        load_model(folder, num_labels=2, seed=0)


def test_half_of_a_pooler_is_refused(copy):
    folder = copy(lambda weights: weights.pop("pooler.dense.bias"))
    message = r"pooler\.dense\.bias is missing, but the weights have bert\.pooler\.dense\.weight"
    with pytest.raises(ModelError, match=message):
        load_model(folder, num_labels=2, seed=0)


@pytest.mark.parametrize("kind", ["bert", "albert", "modernbert"])
def test_a_missing_pooler_is_drawn_and_reported(folders, kind, tmp_path, caplog):
    def drop(weights):
        for name in [name for name in weights if re.match("pooler|head", name)]:
            del weights[name]

    folder = change_weights(shutil.copytree(folders[kind], tmp_path / kind), drop)
    poolers = [
        torch.cat([p.flatten() for p in layers(model)["pooler"].parameters() if p.ndim > 1])
        for model in (load_model(folder, num_labels=2, seed=seed) for seed in (0, 0, 1))
    ]
    assert torch.equal(poolers[0], poolers[1])
    assert not torch.equal(poolers[0], poolers[2])
    assert f"{kind} has no pooler: a new one is drawn" in caplog.text


def test_a_drawn_pooler_starts_at_random(tiny_bert, tmp_path):
    def drop(weights):
        for name in [name for name in weights if name.startswith("pooler")]:
            del weights[name]

    folder = change_weights(shutil.copytree(tiny_bert, tmp_path / "copy"), drop)
    assert random_layers(load_model(folder, num_labels=2, seed=0)) == ["pooler", "classifier"]


def test_a_pretrained_pooler_does_not_start_at_random(tiny_bert):
    assert random_layers(load_model(tiny_bert, num_labels=2, seed=0)) == ["classifier"]


def test_a_copy_of_a_model_has_the_same_random_layers(tiny_bert):
    model = load_model(tiny_bert, num_labels=2, seed=0)
    reinitialize_top(model, num_layers=1, pooler=False, seed=0)
    layer = random_layers(model)[1]
    assert random_layers(deepcopy(model)) == ["classifier", layer]


def test_the_pretrained_part_of_a_pooler_is_kept(folders, tmp_path):
    """ModernBERT's ends with a norm of the encoder, which every checkpoint has."""
    folder = copy_model(folders["modernbert"], tmp_path / "copy", fill={"final_norm.weight": 3.0})
    weight = load_model(folder, num_labels=2, seed=0).model.final_norm.weight
    assert weight.unique().tolist() == [3]


def test_a_pickle_with_nan_is_refused(copy):
    folder = copy(lambda weights: weights["pooler.dense.bias"].fill_(torch.nan))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: bert\.pooler\.dense\.bias contains"):
        load_model(folder, num_labels=2, seed=0)


def test_a_feed_forward_layer_in_parts_takes_rows_of_any_length(tiny_bert, bert, tmp_path):
    folder = copy_model(tiny_bert, tmp_path / "copy", config={"chunk_size_feed_forward": 2})
    model, ids = load_model(folder, num_labels=2, seed=0), torch.tensor([[2, 9, 3]])
    assert torch.equal(model.eval()(ids).logits, bert.eval()(ids).logits)


def test_an_unknown_activation_is_named(tiny_bert, tmp_path):
    folder = copy_model(tiny_bert, tmp_path / "copy", config={"hidden_act": "gulu"})
    with pytest.raises(ModelError, match=r"config\.json .* unknown hidden_act KeyError: 'gulu'"):
        load_model(folder, num_labels=2, seed=0)


def test_head_depends_on_its_seed_alone(tiny_bert):
    """It is drawn from its own stream, whatever ran before (docs/pitfalls.md, 21)."""
    heads = []
    for global_seed, seed in ((5, 3), (99, 3), (5, 4)):
        torch.manual_seed(global_seed)
        heads.append(load_model(tiny_bert, num_labels=2, seed=seed).classifier.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_loading_does_not_change_the_global_generator(tiny_bert):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    load_model(tiny_bert, num_labels=7, seed=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_pooler_is_the_pretrained_one_and_the_bias_of_the_head_is_zero(tiny_bert, bert):
    other = load_model(tiny_bert, num_labels=2, seed=4)
    assert torch.equal(bert.bert.pooler.dense.weight, other.bert.pooler.dense.weight)
    assert bert.classifier.bias.abs().sum() == 0


@pytest.mark.parametrize("num_labels", [1, 3])
def test_head_of_another_task_is_replaced(tiny_bert, tmp_path, num_labels):
    """Intermediate training: from three classes to a score, or to three other classes."""
    folder = shutil.copytree(tiny_bert, tmp_path / "mnli")
    load_model(tiny_bert, num_labels=3, seed=1).save_pretrained(folder)
    head = load_model(folder, num_labels=num_labels, seed=0).classifier.weight
    assert torch.equal(head, load_model(tiny_bert, num_labels=num_labels, seed=0).classifier.weight)


def test_float16_checkpoint_is_loaded_in_float32(tiny_bert, bert, tmp_path):
    folder = shutil.copytree(tiny_bert, tmp_path / "half")
    bert.bert.half().save_pretrained(folder)
    dtypes = {p.dtype for p in load_model(folder, num_labels=2, seed=0).parameters()}
    assert dtypes == {torch.float32}


def test_loading_again_returns_pretrained_weights(tiny_bert, bert):
    """They stay in memory, so training must not change them."""
    before = {name: p.detach().clone() for name, p in bert.named_parameters()}
    with torch.no_grad():
        for p in bert.parameters():
            p.add_(1)
    again = load_model(tiny_bert, num_labels=2, seed=0)
    assert all(torch.equal(p, before[name]) for name, p in again.named_parameters())


@pytest.fixture
def saved(tiny_bert, bert, tmp_path):
    """A BERT with a partially trained embedding, and the folder of its saved encoder."""
    train_embedding_rows(bert, torch.tensor([5, 7]))
    with torch.no_grad():
        for p in bert.bert.parameters():
            p.add_(1)
    save_encoder(bert, tmp_path / "encoder", tokenizer=tiny_bert)
    return bert, tmp_path / "encoder"


def test_a_saved_encoder_can_be_loaded(saved):
    bert, folder = saved
    loaded = load_model(folder, num_labels=2, seed=0).bert.state_dict()
    assert all(torch.equal(tensor, loaded[k]) for k, tensor in bert.bert.state_dict().items())


def test_a_saved_encoder_has_a_tokenizer_and_no_head(saved, tiny_bert):
    _, folder = saved
    assert (folder / "tokenizer.json").read_bytes() == (tiny_bert / "tokenizer.json").read_bytes()
    assert not [key for key in load_file(folder / "model.safetensors") if "classifier" in key]


def test_a_saved_encoder_replaces_an_older_one(saved, tiny_bert):
    bert, folder = saved
    (folder / "old").touch()
    save_encoder(bert, folder, tokenizer=tiny_bert)
    assert not (folder / "old").exists()
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_an_encoder_on_a_full_disk_is_a_system_error_and_leaves_no_draft(bert, tiny_bert, tmp_path):
    """safetensors raises an error of its own, which would count as the run's fault."""
    with full_disk(2000), pytest.raises(OSError, match=r"File too large: '.*/encoder'") as error:
        save_encoder(bert, tmp_path / "encoder", tokenizer=tiny_bert)
    assert error.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []
