"""Loading of pre-trained folders, and the new head."""

import json
import shutil

import pytest
import torch

from stablebert.models.loading import load_model, save_encoder
from stablebert.models.surgery import train_embedding_rows


@pytest.fixture
def bert(tiny_bert):
    return load_model(tiny_bert, num_labels=2, seed=0)


def test_unknown_architecture_is_refused_by_name(tiny_bert, tmp_path):
    folder = shutil.copytree(tiny_bert, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(ValueError, match=r"other: architecture 'gpt2' is not .*supported: bert"):
        load_model(folder, num_labels=2, seed=0)


def test_weights_that_do_not_fill_the_encoder_are_refused(tiny_bert, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_bert, tmp_path / "holes")
    weights = load_file(folder / "model.safetensors")
    partial = {k: v for k, v in weights.items() if "encoder.layer.1." not in k}
    save_file(partial, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"no weights for layer\.1 .*pre-trained bert"):
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
    from safetensors.torch import load_file

    _, folder = saved
    assert (folder / "tokenizer.json").read_bytes() == (tiny_bert / "tokenizer.json").read_bytes()
    assert not [key for key in load_file(folder / "model.safetensors") if "classifier" in key]


def test_a_saved_encoder_replaces_an_older_one(saved, tiny_bert):
    bert, folder = saved
    (folder / "old").touch()
    save_encoder(bert, folder, tokenizer=tiny_bert)
    assert not (folder / "old").exists()
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []
