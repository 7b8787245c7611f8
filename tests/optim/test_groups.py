"""Parameter groups: decay by kind of parameter, learning rates by layer."""

import pytest
from torch import nn

from stablebert.models.loading import load_model
from stablebert.models.location import layers
from stablebert.optim.groups import decay_to_start, layer_rates, parameter_groups, split_by_rate


@pytest.fixture
def two_linears():
    return nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))


def test_weights_decay_and_biases_and_layer_norms_do_not():
    model = nn.ModuleDict({"dense": nn.Linear(3, 3), "LayerNorm": nn.LayerNorm(3)})
    decayed, exempt = parameter_groups(model, 0.1)
    assert [id(p) for p in decayed["params"]] == [id(model["dense"].weight)]
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.1, 0.0)
    assert len(exempt["params"]) == 3


def test_a_rule_that_matches_nothing_is_refused():
    """On a model without biases and LayerNorms it would silently change (docs/pitfalls.md, 22)."""
    with pytest.raises(ValueError, match="no biases and LayerNorms"):
        parameter_groups(nn.Linear(3, 3, bias=False), 0.1)


def test_frozen_parameters_are_in_no_group(two_linears):
    two_linears[0].requires_grad_(False)
    assert [len(g["params"]) for g in parameter_groups(two_linears, 0.1)] == [1, 1]


def test_empty_groups_are_left_out(two_linears):
    two_linears[0].requires_grad_(False)
    two_linears[1].weight.requires_grad_(False)
    (only,) = parameter_groups(two_linears, 0.1)
    assert only["weight_decay"] == 0.0
    assert [id(p) for p in only["params"]] == [id(two_linears[1].bias)]


def test_a_fully_frozen_model_is_refused(two_linears):
    two_linears.requires_grad_(False)
    with pytest.raises(ValueError, match="every parameter is frozen"):
        parameter_groups(two_linears, 0.1)


def test_layer_rates_of_bert_large_are_the_released_ones():
    """run_glue.py, L90-120: the head at the base rate, layer.23 times d, embeddings times d^25."""
    names = ["embeddings", *(f"layer.{i}" for i in range(24)), "pooler", "classifier"]
    rates = layer_rates(names, lr=2e-5, decay=0.95)
    expected = {"embeddings": 2e-5 * 0.95**25, "pooler": 2e-5, "classifier": 2e-5}
    expected |= {f"layer.{i}": 2e-5 * 0.95 ** (24 - i) for i in range(24)}
    assert rates == pytest.approx(expected, rel=1e-12)


def test_layer_rates_keep_the_order_of_the_layers():
    names = ["embeddings", "layer.0", "pooler", "classifier"]
    assert list(layer_rates(names, lr=1.0, decay=0.5)) == names


@pytest.fixture(scope="module")
def split(tiny_bert):
    """A BERT's layers, and the group of each parameter by its id."""
    model = load_model(tiny_bert, num_labels=2, seed=0)
    layers_by_name = layers(model)
    rates = layer_rates(list(layers_by_name), lr=1.0, decay=0.5)
    groups = split_by_rate(parameter_groups(model, 0.01), layers_by_name, rates)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    return layers_by_name, {id(p): group for group in groups for p in group["params"]}


@pytest.mark.parametrize(
    ("layer", "rate"),
    [("classifier", 1), ("pooler", 1), ("layer.1", 0.5), ("layer.0", 0.25), ("embeddings", 0.125)],
)
def test_every_parameter_has_the_rate_of_its_layer(split, layer, rate):
    layers_by_name, group_of = split
    assert {group_of[id(p)]["lr"] for p in layers_by_name[layer].parameters()} == {rate}


def test_every_parameter_keeps_its_own_decay(split):
    layers_by_name, group_of = split
    for layer in layers_by_name.values():
        for name, p in layer.named_parameters():
            exempt = "LayerNorm" in name or name.endswith("bias")
            assert group_of[id(p)]["weight_decay"] == (0.0 if exempt else 0.01), name


def test_each_group_is_pulled_with_its_own_decay_except_for_excluded_parts():
    """Two layers of five are excluded; the groups have decays 0.1, 0.2, and 0."""
    a, b, c, d, e = (nn.Linear(1, 1) for _ in range(5))
    groups = [
        {"params": [a.weight, b.weight, c.weight], "weight_decay": 0.1, "lr": 1.0},
        {"params": [d.weight, e.weight], "weight_decay": 0.2, "lr": 2.0},
        {"params": [a.bias, b.bias], "weight_decay": 0.0, "lr": 3.0},
        {"params": [c.bias], "weight_decay": 0.3, "lr": 4.0},
    ]
    result = decay_to_start(groups, exclude=[b, c])
    starts = [group.pop("start", None) for group in result]
    assert result == [
        {"params": [a.weight], "weight_decay": 0.0, "lr": 1.0, "pull": 0.1},
        {"params": [b.weight, c.weight], "weight_decay": 0.0, "lr": 1.0},
        {"params": [d.weight, e.weight], "weight_decay": 0.0, "lr": 2.0, "pull": 0.2},
        {"params": [a.bias, b.bias], "weight_decay": 0.0, "lr": 3.0},
        {"params": [c.bias], "weight_decay": 0.0, "lr": 4.0},
    ]
    assert starts == [[a.weight], None, [d.weight, e.weight], None, None]
    assert not any(s is p for s, p in zip(starts[2], groups[1]["params"], strict=True))
