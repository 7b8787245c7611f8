"""Layers, head and re-initialisation on a real (tiny) BERT."""

import copy
import json
import shutil

import pytest
import torch
from torch import nn

from stablebert.models.architectures import layers, log_key
from stablebert.models.loading import load_model
from stablebert.models.surgery import reinitialize, reinitialize_top, top_layers
from stablebert.seeds import stream_seed


def weights(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def test_layers_of_bert(tiny_bert):
    model = load_model(tiny_bert, num_labels=2, seed=0)
    named = layers(model)
    assert list(named) == ["embeddings", "layer.0", "layer.1", "pooler", "classifier"]
    counted = sum(p.numel() for part in named.values() for p in part.parameters())
    assert counted == sum(p.numel() for p in model.parameters())
    assert [log_key(name) for name in named][1:3] == ["layer_00", "layer_01"]


def test_parameters_outside_every_layer_are_refused(tiny_bert):
    model = load_model(tiny_bert, num_labels=2, seed=0)
    model.extra = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="exactly one layer"):
        layers(model)


def test_unknown_architecture_is_refused_by_name(tiny_bert, tmp_path):
    folder = shutil.copytree(tiny_bert, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(ValueError, match=r"'gpt2' is not supported; supported: bert"):
        load_model(folder, num_labels=2, seed=0)


def test_weights_that_do_not_fill_the_encoder_are_refused(tiny_bert, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_bert, tmp_path / "holes")
    kept = {
        k: v
        for k, v in load_file(folder / "model.safetensors").items()
        if "encoder.layer.1." not in k
    }
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"no weights for layer\.1 .*pre-trained bert"):
        load_model(folder, num_labels=2, seed=0)


def test_head_depends_on_its_seed_alone(tiny_bert):
    """Trap 21: the head is drawn after the seed is set, whatever ran before."""
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = load_model(tiny_bert, num_labels=2, seed=3)
    assert torch.equal(torch.get_rng_state(), state)  # and disturbs nothing
    torch.manual_seed(99)
    two = load_model(tiny_bert, num_labels=2, seed=3)
    other = load_model(tiny_bert, num_labels=2, seed=4)
    assert torch.equal(one.classifier.weight, two.classifier.weight)
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    assert torch.equal(one.bert.pooler.dense.weight, other.bert.pooler.dense.weight)
    assert one.classifier.bias.abs().sum() == 0


def test_head_of_another_task_is_replaced(tiny_bert, tmp_path):
    """From three classes to a score (intermediate-task training), and two classes to two."""
    folder = tmp_path / "mnli"
    shutil.copytree(tiny_bert, folder)
    load_model(tiny_bert, num_labels=3, seed=1).save_pretrained(folder)
    assert load_model(folder, num_labels=1, seed=0).classifier.weight.shape == (1, 16)
    same = load_model(folder, num_labels=3, seed=0).classifier.weight
    assert torch.equal(same, load_model(tiny_bert, num_labels=3, seed=0).classifier.weight)


def test_float16_checkpoint_is_loaded_in_float32(tiny_bert, tmp_path):
    folder = shutil.copytree(tiny_bert, tmp_path / "half")
    load_model(tiny_bert, num_labels=2, seed=0).bert.half().save_pretrained(folder)
    assert {p.dtype for p in load_model(folder, num_labels=2, seed=0).parameters()} == {
        torch.float32
    }


def test_dropout_is_on(tiny_bert):
    """from_pretrained returns a model in evaluation mode, and Lightning leaves it there."""
    assert all(part.training for part in load_model(tiny_bert, num_labels=2, seed=0).modules())


def test_seed_zero_is_a_seed():
    """Trap 12."""
    assert stream_seed(0, "head") != stream_seed(1, "head")
    assert stream_seed(0, "head") != stream_seed(0, "reinit")


@pytest.mark.parametrize(("depth", "pooler"), [(0, True), (1, True), (1, False), (2, True)])
def test_reinit_touches_exactly_the_top(tiny_bert, depth, pooler):
    model = load_model(tiny_bert, num_labels=2, seed=0)
    before = {name: weights(part) for name, part in layers(model).items()}
    changed = reinitialize_top(model, num_layers=depth, pooler=pooler, seed=0)
    expected = ["layer.0", "layer.1"][2 - depth :] + ["pooler"] * pooler
    assert changed == expected
    for name, part in layers(model).items():
        same = all(torch.equal(v, before[name][k]) for k, v in weights(part).items())
        assert same == (name not in expected), name


def test_reinit_draws_bert_s_initialisation(tiny_bert):
    model = load_model(tiny_bert, num_labels=2, seed=0)
    for p in model.parameters():
        p.data.fill_(7.0)
    reinitialize_top(model, num_layers=2, pooler=True, seed=0)
    parts = [part for name, part in layers(model).items() if name[:5] in ("layer", "poole")]
    linear = [m for part in parts for m in part.modules() if isinstance(m, nn.Linear)]
    norms = [m for part in parts for m in part.modules() if isinstance(m, nn.LayerNorm)]
    drawn = torch.cat([m.weight.flatten() for m in linear])
    n = len(drawn)
    assert len(linear) == 13
    assert len(norms) == 4
    assert drawn.mean().abs() < 4 * 0.02 / n**0.5
    assert abs(drawn.std() / 0.02 - 1) < 4 / (2 * n) ** 0.5
    # a plain normal, not truncated at two deviations: 4.6 % of it lies outside
    outside = (drawn.abs() > 0.04).double().mean().item()
    assert outside == pytest.approx(0.0455, abs=4 * (0.0455 / n) ** 0.5)
    assert all((m.bias == 0).all() for m in linear + norms)
    assert all((m.weight == 1).all() for m in norms)


def test_reinit_is_seeded_and_the_top_is_drawn_first(tiny_bert):
    model = load_model(tiny_bert, num_labels=2, seed=0)
    drawn = {}
    for seed, depth in ((0, 1), (0, 2), (1, 1)):
        one = copy.deepcopy(model)
        reinitialize_top(one, num_layers=depth, seed=seed)
        drawn[seed, depth] = one.bert.encoder.layer[1].output.dense.weight
    assert torch.equal(drawn[0, 1], drawn[0, 2])
    assert not torch.equal(drawn[0, 1], drawn[1, 1])


def test_reinit_deeper_than_the_model_is_refused(tiny_bert):
    named = layers(load_model(tiny_bert, num_labels=2, seed=0))
    with pytest.raises(ValueError, match=r"num_layers=3: the model has 2 layers, so 0 to 2"):
        top_layers(named, num_layers=3, pooler=True)


def test_reinit_refuses_what_it_cannot_draw(tiny_bert):
    """Trap 22: on another architecture it must not silently do nothing."""
    model = load_model(tiny_bert, num_labels=2, seed=0)
    model.bert.encoder.layer[1].extra = nn.Conv1d(2, 2, 1)
    with pytest.raises(ValueError, match=r"cannot re-initialise layer\.1\.extra: a Conv1d"):
        reinitialize(model, ["layer.1"], rng=torch.Generator())
