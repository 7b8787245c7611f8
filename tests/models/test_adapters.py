"""LoRA and (IA)³: which Linears they adapt, and their formulas in float64."""

import copy

import pytest
import torch

from stablebert.callbacks.train_part import freeze_all_but
from stablebert.models.adapters import add_adapters, merge_adapters
from stablebert.models.loading import load_model, save_encoder
from stablebert.models.location import layers, packed_forward
from stablebert.packed.dropout import DropoutMasks
from tests.helpers.architectures import BLOCKS, SHAPES, build_architecture, padded_batch
from tests.helpers.packing import packed_and_padded, small_bert

KINDS = ("lora", "ia3")
REFUSED = {
    ("xlnet", "lora"): "keeps the weights of its attention outside any Linear",
    ("xlnet", "ia3"): "keeps the weights of its attention outside any Linear",
    ("modernbert", "ia3"): "has one Linear for query, key and value",
}
PAIRS = [(a, kind) for a in SHAPES for kind in KINDS if (a, kind) not in REFUSED]


def perturb(model):
    """Move all adapters away from their initial values, and return the model."""
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if ".lora_" in name or ".ia3_" in name:
                p.add_(0.3 * torch.randn(p.shape, generator=rng, dtype=p.dtype))
    return model


def adapted_linear(kind, name, **settings):
    """Return a Linear of BERT with an adapter away from its start, in float64."""
    model = build_architecture("bert").double()
    add_adapters(model, kind=kind, **settings)
    return perturb(model).get_submodule(f"bert.encoder.layer.0.{name}")


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("lora", ["attention.self.query", "attention.self.value"]),
        # not the output of the attention, which ends in the same words
        ("ia3", ["attention.self.key", "attention.self.value", "output.dense"]),
    ],
)
def test_the_linears_of_the_papers_are_adapted(kind, parts):
    model = build_architecture("bert")
    names = add_adapters(model, kind=kind)
    expected = {f"bert.encoder.layer.{i}.{part}" for i in range(2) for part in parts}
    assert set(names) == expected
    assert {n for n, module in model.named_modules() if hasattr(module, "base_layer")} == expected


COUNTS = {"lora": 2, "ia3": 3}


@pytest.mark.parametrize(("architecture", "kind"), PAIRS)
def test_every_block_is_adapted_and_outputs_stay_the_same(architecture, kind):
    model = build_architecture(architecture).eval()
    batch = padded_batch(9, 5)
    with torch.no_grad():
        before = model(**batch).logits
        names = add_adapters(model, kind=kind)
        torch.testing.assert_close(model(**batch).logits, before, rtol=0, atol=0)
    # BART's decoder layers have a second attention; ModernBERT's query and value are one Linear
    extra = {"bart": 2 * 2, "modernbert": -2}.get(architecture, 0)
    assert len(names) == len(set(names)) == BLOCKS[architecture] * COUNTS[kind] + extra


@pytest.mark.parametrize(("architecture", "kind"), REFUSED)
def test_an_architecture_without_these_linears_is_refused(architecture, kind):
    with pytest.raises(ValueError, match=REFUSED[architecture, kind]):
        add_adapters(build_architecture(architecture), kind=kind)


@pytest.mark.parametrize(("architecture", "kind"), PAIRS)
def test_adapters_belong_to_their_layer_and_are_trained_with_the_head_alone(architecture, kind):
    model = build_architecture(architecture)
    add_adapters(model, kind=kind)
    trained = freeze_all_but(model, ["classifier", f"*.{kind}_*"])
    parts = {name: {*map(id, part.parameters())} for name, part in layers(model).items()}
    parameters = dict(model.named_parameters())
    for name in trained:
        (layer,) = [layer for layer, ids in parts.items() if id(parameters[name]) in ids]
        is_adapter = f".{kind}_" in name
        assert layer.startswith("layer.") if is_adapter else layer == "classifier", name
    is_trained = {name for name in parameters if f".{kind}_" in name} <= set(trained)
    assert is_trained


def test_lora_adds_its_product_to_the_weight_in_float64():
    layer = adapted_linear("lora", "attention.self.query", rank=3, alpha=12.0)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    x = draw(5, 16)
    expected = x @ (layer.base_layer.weight + 12.0 / 3 * b @ a).T + layer.base_layer.bias
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_gradients_of_lora_are_those_by_hand():
    layer = adapted_linear("lora", "attention.self.query", rank=3, alpha=12.0)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    x, g = draw(5, 16), draw(16, 5).T
    layer(x).backward(g)
    torch.testing.assert_close(b.grad, 4.0 * g.T @ (x @ a.T), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(a.grad, 4.0 * (g @ b).T @ x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("part", ["key", "value"])
def test_ia3_scales_keys_and_values_in_float64(part):
    layer = adapted_linear("ia3", f"attention.self.{part}")
    factors = layer.ia3_l["default"]
    x, g = draw(5, 16), draw(16, 5).T
    plain = x @ layer.base_layer.weight.T + layer.base_layer.bias
    layer(x).backward(g)
    torch.testing.assert_close(layer(x), plain * factors.flatten(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(factors.grad.flatten(), (g * plain).sum(0), rtol=1e-12, atol=1e-12)


def test_ia3_scales_the_inputs_of_the_second_feed_forward_linear_in_float64():
    layer = adapted_linear("ia3", "output.dense")
    factors, weight = layer.ia3_l["default"], layer.base_layer.weight
    x, g = draw(5, 32), draw(16, 5).T
    expected = (x * factors.flatten()) @ weight.T + layer.base_layer.bias
    layer(x).backward(g)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
    by_hand = ((g @ weight) * x).sum(0)
    torch.testing.assert_close(factors.grad.flatten(), by_hand, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("architecture", "kind"), PAIRS)
def test_merged_weights_give_the_adapted_outputs_in_float64(architecture, kind):
    model = build_architecture(architecture).double().eval()
    add_adapters(model, kind=kind)
    perturb(model)
    merged = copy.deepcopy(model)
    merge_adapters(merged)
    batch = padded_batch(9, 5)
    with torch.no_grad():
        torch.testing.assert_close(
            merged(**batch).logits, model(**batch).logits, rtol=1e-9, atol=1e-12
        )
    names = {name for name, _ in build_architecture(architecture).named_parameters()}
    assert {name for name, _ in merged.named_parameters()} == names


@pytest.mark.parametrize("kind", KINDS)
def test_packed_batches_give_the_outputs_of_padded_ones(kind):
    packed, padded, order = packed_and_padded([9, 5, 7])
    model = small_bert(torch.float64).eval()
    add_adapters(model, kind=kind)
    perturb(model)
    with torch.no_grad():
        logits = packed_forward(model)(model, packed, DropoutMasks(0))
        torch.testing.assert_close(logits, model(**padded).logits[order], rtol=1e-12, atol=1e-12)


def initial_values(seed):
    model = build_architecture("bert")
    names = add_adapters(model, kind="lora", seed=seed)
    return [model.get_submodule(name).lora_A["default"].weight.detach() for name in names]


def test_initial_values_follow_the_seed_alone():
    torch.manual_seed(1)
    first = initial_values(seed=3)
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, initial_values(seed=3), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, initial_values(seed=4), strict=True))


def test_initial_values_are_uniform_up_to_the_root_of_the_inputs():
    values = torch.cat(initial_values(seed=0)).flatten()
    assert 0.24 < values.abs().max().item() <= 0.25
    assert values.std().item() == pytest.approx(0.25 / 3**0.5, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_global_random_state_does_not_change(kind):
    model = build_architecture("bert")
    before = torch.get_rng_state()
    add_adapters(model, kind=kind)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"adapter\.kind='dora': choose lora or ia3"):
        add_adapters(build_architecture("bert"), kind="dora")


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_encoder_has_the_adapters_in_its_weights(kind, tiny_bert, tmp_path):
    model = load_model(tiny_bert, num_labels=2, seed=0).eval()
    add_adapters(model, kind=kind)
    batch = padded_batch(9, 5)
    with torch.no_grad():
        expected = perturb(model)(**batch).logits
    save_encoder(model, tmp_path / "encoder", tokenizer=tiny_bert)
    loaded = load_model(tmp_path / "encoder", num_labels=2, seed=0).eval()
    with torch.no_grad():
        torch.testing.assert_close(loaded(**batch).logits, expected)
