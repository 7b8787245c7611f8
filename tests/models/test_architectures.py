"""Layers, head and forward pass of every supported architecture."""

import pytest
import torch
from torch import nn

from stablebert.models.architectures import ARCHITECTURES, log_key
from stablebert.models.folder import max_positions
from stablebert.models.loading import load_model
from stablebert.models.location import layers, packed_forward
from stablebert.optim.groups import layer_rates, parameter_groups, split_by_rate
from stablebert.packed.batch import pack_rows
from stablebert.packed.dropout import DropoutMasks
from tests.helpers.architectures import BLOCKS, POOLED, SHAPES, padded_batch

POSITIONS = dict.fromkeys(SHAPES, 140) | {"roberta": 139, "xlnet": None}


@pytest.fixture(params=SHAPES)
def kind(request):
    return request.param


@pytest.fixture
def model(folders, kind):
    return load_model(folders[kind], num_labels=2, seed=0)


def test_every_architecture_is_tested():
    assert set(SHAPES) == set(ARCHITECTURES)


def test_layers_are_named_from_the_bottom_up(kind, model):
    blocks = [f"layer.{i}" for i in range(BLOCKS[kind])]
    pooler = ["pooler"] if kind in POOLED else []
    assert list(layers(model)) == ["embeddings", *blocks, *pooler, "classifier"]


def test_every_parameter_is_in_one_layer(model):
    counts = [p.numel() for layer in layers(model).values() for p in layer.parameters()]
    assert sum(counts) == sum(p.numel() for p in model.parameters())


def test_the_body_is_the_pretrained_one(folders, kind, model):
    from transformers import AutoModel

    pretrained = AutoModel.from_pretrained(folders[kind]).state_dict()
    body = getattr(model, model.base_model_prefix).state_dict()
    assert body.keys() <= pretrained.keys()
    assert all(torch.equal(weight, pretrained[name]) for name, weight in body.items())


def test_a_loaded_model_is_in_training_mode(model):
    """from_pretrained returns one in evaluation mode, and Lightning keeps it."""
    assert all(module.training for module in model.modules())


def test_the_head_is_drawn_by_its_seed(folders, kind, model):
    head, again, other = (
        layers(m)["classifier"].state_dict()
        for m in (model, *(load_model(folders[kind], num_labels=2, seed=s) for s in (0, 1)))
    )
    matrices = {name for name, weight in head.items() if weight.ndim > 1}
    assert matrices
    assert all(torch.equal(weight, again[name]) for name, weight in head.items())
    assert not any(torch.equal(head[name], other[name]) for name in matrices)


@pytest.mark.parametrize("num_labels", [1, 2, 3])
def test_the_head_of_roberta_has_one_scale_for_every_task(folders, num_labels):
    """The released code drew it from N(0, 0.02²) for STS-B only."""
    head = load_model(folders["roberta"], num_labels=num_labels, seed=0).classifier
    draws = torch.cat([m.weight.flatten() for m in (head.dense, head.out_proj)])
    error = 0.02 / (2 * draws.numel()) ** 0.5  # of an estimated deviation
    assert abs(draws.std().item() - 0.02) < 5 * error


def test_the_other_parameters_of_a_head_are_zeros_and_ones(model):
    vectors = [w for w in layers(model)["classifier"].state_dict().values() if w.ndim == 1]
    assert all(weight.unique().tolist() in ([0], [1]) for weight in vectors)


def test_parameters_outside_every_layer_are_refused(folders):
    model = load_model(folders["bert"], num_labels=2, seed=0)
    model.bert.extra = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="exactly one layer"):
        layers(model)


def test_a_model_of_another_library_is_refused():
    with pytest.raises(TypeError, match=r"no model of the transformers library \(bert, .* Linear"):
        layers(nn.Linear(2, 2))


def test_keys_of_layers_sort():
    keys = [log_key(name) for name in ("layer.2", "layer.11", "pooler")]
    assert keys == ["layer_02", "layer_11", "pooler"]


def test_the_top_layers_of_bart_are_decoder_layers(folders):
    layers_by_name = layers(load_model(folders["bart"], num_labels=2, seed=0))
    kinds = [type(layers_by_name[f"layer.{i}"]).__name__ for i in range(4)]
    assert kinds == ["BartEncoderLayer"] * 2 + ["BartDecoderLayer"] * 2


def test_the_head_of_electra_is_one_linear_on_the_first_token(folders):
    model = load_model(folders["electra"], num_labels=2, seed=0).eval()
    names = [name for name, _ in layers(model)["classifier"].named_parameters()]
    assert names == ["out_proj.weight", "out_proj.bias"]
    batch = padded_batch(9, 5)
    states = model.electra(**batch).last_hidden_state
    torch.testing.assert_close(model(**batch).logits, model.classifier.out_proj(states[:, 0]))


def test_segments_matter_to_electra(folders):
    """The released code passed ELECTRA none."""
    model = load_model(folders["electra"], num_labels=2, seed=0).eval()
    batch = padded_batch(9, 5)
    types = torch.zeros_like(batch["input_ids"])
    types[:, 4:] = 1
    assert not torch.allclose(model(**batch, token_type_ids=types).logits, model(**batch).logits)


def test_parameter_groups_have_every_parameter_once(model):
    layers_by_name = layers(model)
    rates = layer_rates(list(layers_by_name), lr=1.0, decay=0.5)
    groups = split_by_rate(parameter_groups(model, 0.1), layers_by_name, rates)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_parameter_groups_have_the_rate_of_their_layer(kind, model):
    layers_by_name = layers(model)
    rates = layer_rates(list(layers_by_name), lr=1.0, decay=0.5)
    groups = split_by_rate(parameter_groups(model, 0.1), layers_by_name, rates)
    rate_of = {
        id(p): rates[name] for name, layer in layers_by_name.items() for p in layer.parameters()
    }
    assert all(rate_of[id(p)] == group["lr"] for group in groups for p in group["params"])
    assert rates["embeddings"] == 0.5 ** (BLOCKS[kind] + 1)


packed_kinds = pytest.mark.parametrize(
    "kind", [k for k, a in ARCHITECTURES.items() if a.packed_forward], indirect=True
)


def padded_and_packed(kind):
    """Return the same three rows as a padded batch and as a packed one."""
    batch = padded_batch(9, 12, 5)
    types = (torch.arange(12) > 3).long().expand(3, 12) * batch["attention_mask"]
    if kind == "roberta":
        types = torch.zeros_like(types)
    rows = [ids[ids > 0].numpy() for ids in batch["input_ids"]]
    segments = [t[: len(r)].numpy() for t, r in zip(types, rows, strict=True)]
    packed = pack_rows(rows, segments, torch.arange(3).numpy())
    return batch | {"token_type_ids": types}, packed


@packed_kinds
def test_packed_logits_equal_those_of_the_model(kind, model):
    model.eval()
    padded, packed = padded_and_packed(kind)
    ours = packed_forward(model)(model, packed, DropoutMasks(0))
    torch.testing.assert_close(ours, model(**padded).logits[packed.labels], atol=1e-5, rtol=1e-4)


@packed_kinds
def test_every_packed_dropout_draws_from_the_stream_of_its_run(kind, model):
    _, packed = padded_and_packed(kind)

    def logits(seed, global_seed):
        torch.manual_seed(global_seed)
        return packed_forward(model)(model, packed, DropoutMasks(seed))

    assert torch.equal(logits(0, 1), logits(0, 2))
    assert not torch.equal(logits(0, 1), logits(1, 1))


def test_number_of_positions(kind, model):
    assert max_positions(model.config.to_dict()) == POSITIONS[kind]
