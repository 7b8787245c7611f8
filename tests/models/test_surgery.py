"""Re-initialization, noise, partially trained embeddings and dropout."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertForSequenceClassification

from stablebert.models.loading import load_model
from stablebert.models.location import layers, packed_forward
from stablebert.models.surgery import (
    add_noise,
    disable_dropout,
    has_dropout,
    random_layers,
    reinitialize,
    reinitialize_top,
    top_layers,
    train_embedding_rows,
)
from stablebert.optim.adam import BertAdam
from stablebert.optim.groups import parameter_groups
from stablebert.packed.dropout import DropoutMasks
from stablebert.seeds import stream_generator
from tests.helpers.architectures import BLOCKS, POOLED, SHAPES, padded_batch
from tests.helpers.packing import packed_and_padded, small_bert


@pytest.fixture
def bert(tiny_bert):
    return load_model(tiny_bert, num_labels=2, seed=0)


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


# ---------------------------------------------------------------- re-initialization


@pytest.mark.parametrize(
    ("depth", "skip", "pooler", "expected"),
    [
        (0, 0, True, ["pooler"]),
        (1, 0, True, ["layer.1", "pooler"]),
        (1, 0, False, ["layer.1"]),
        (2, 0, True, ["layer.0", "layer.1", "pooler"]),
        (1, 1, True, ["layer.0", "pooler"]),
        (1, 1, False, ["layer.0"]),
    ],
)
def test_reinit_changes_exactly_the_layers_requested(bert, depth, skip, pooler, expected):
    before = {name: weights(part) for name, part in layers(bert).items()}
    drawn = reinitialize_top(bert, num_layers=depth, skip=skip, pooler=pooler, seed=0)
    assert drawn == expected
    for name, part in layers(bert).items():
        same = all(torch.equal(v, before[name][k]) for k, v in weights(part).items())
        assert same == (name not in drawn), name


@pytest.mark.parametrize("kind", [kind for kind in SHAPES if kind != "albert"])
def test_reinit_changes_exactly_the_top_of_every_architecture(folders, kind):
    model = load_model(folders[kind], num_labels=2, seed=0)
    before = weights(model)
    top, pooler = f"layer.{BLOCKS[kind] - 1}", ["pooler"] if kind in POOLED else []
    assert reinitialize_top(model, num_layers=1) == [top, *pooler]
    named = layers(model)
    fresh = {id(p) for name in [top, *pooler] for p in named[name].parameters()}
    for name, p in model.named_parameters():
        if id(p) not in fresh:
            assert torch.equal(p, before[name]), name
        elif p.ndim > 1:
            assert not torch.equal(p, before[name]), name
            assert 0.002 < p.std() < 0.03, name  # 0.02, and ModernBERT's narrower ones


@pytest.fixture
def redrawn(bert):
    """The Linears and LayerNorms of a BERT whose weights were all 7 before Re-init."""
    for p in bert.parameters():
        p.data.fill_(7.0)
    names = reinitialize_top(bert, num_layers=2, pooler=True, seed=0)
    modules = [m for name in names for m in layers(bert)[name].modules()]
    linears = [m for m in modules if isinstance(m, nn.Linear)]
    norms = [m for m in modules if isinstance(m, nn.LayerNorm)]
    assert (len(linears), len(norms)) == (13, 4)
    return linears, norms


def test_reinit_draws_linears_from_a_normal_distribution(redrawn):
    drawn = torch.cat([m.weight.flatten() for m in redrawn[0]])
    n = len(drawn)
    assert drawn.mean().abs() < 4 * 0.02 / n**0.5
    assert abs(drawn.std() / 0.02 - 1) < 4 / (2 * n) ** 0.5


def test_reinit_does_not_truncate(redrawn):
    """4.6 % of a plain normal distribution is outside of two deviations."""
    drawn = torch.cat([m.weight.flatten() for m in redrawn[0]])
    outside = (drawn.abs() > 0.04).double().mean().item()
    assert outside == pytest.approx(0.0455, abs=4 * (0.0455 / len(drawn)) ** 0.5)


def test_reinit_sets_biases_to_zero_and_layer_norms_to_one(redrawn):
    linears, norms = redrawn
    assert all((m.bias == 0).all() for m in linears + norms)
    assert all((m.weight == 1).all() for m in norms)


@pytest.mark.parametrize(("seed", "depth", "same"), [(0, 2, True), (1, 1, False)])
def test_reinit_depends_on_its_seed_and_draws_the_top_first(bert, seed, depth, same):
    """So that a deeper re-initialization agrees with a shallower one above."""
    other = copy.deepcopy(bert)
    reinitialize_top(bert, num_layers=1, seed=0)
    reinitialize_top(other, num_layers=depth, seed=seed)
    a, b = (m.bert.encoder.layer[1].output.dense.weight for m in (bert, other))
    assert torch.equal(a, b) == same


@pytest.mark.parametrize(
    ("depth", "skip", "message"),
    [
        (3, 0, "num_layers=3: the model has 2 layers; choose 0 to 2"),
        (1, 2, "num_layers=1 and skip=2: the model has 2 layers; choose 0 to 2 in all"),
    ],
)
def test_reinit_deeper_than_the_model_is_refused(bert, depth, skip, message):
    with pytest.raises(ValueError, match=message):
        top_layers(layers(bert), num_layers=depth, skip=skip, pooler=True)


def test_reinit_refuses_a_module_that_it_cannot_draw(bert):
    """On another architecture it must not silently do nothing (docs/pitfalls.md, 22)."""
    bert.bert.encoder.layer[1].extra = nn.Conv1d(2, 2, 1)
    with pytest.raises(ValueError, match=r"cannot re-initialize layer\.1\.extra: a Conv1d"):
        reinitialize(bert, ["layer.1"], rng=torch.Generator())


def test_reinit_refuses_layers_that_are_all_one(folders):
    albert = load_model(folders["albert"], num_labels=2, seed=0)
    with pytest.raises(ValueError, match=r"all layers of Albert.* share one set of weights"):
        reinitialize_top(albert, num_layers=1)


def test_the_pooler_of_albert_can_be_reinitialized(folders):
    albert = load_model(folders["albert"], num_labels=2, seed=0)
    pooler = {id(p) for p in layers(albert)["pooler"].parameters()}
    before = weights(albert)
    assert reinitialize_top(albert, num_layers=0, pooler=True) == ["pooler"]
    for name, p in albert.named_parameters():
        assert torch.equal(p, before[name]) == (id(p) not in pooler or p.ndim == 1), name


def test_reinit_of_only_the_pooler_needs_one(folders):
    model = load_model(folders["roberta"], num_labels=2, seed=0)
    with pytest.raises(ValueError, match="has no pooler: nothing is re-initialized"):
        reinitialize_top(model, num_layers=0, pooler=True)


def test_reinit_draws_all_of_the_attention_of_xlnet(folders):
    """Released run_glue.py, L765-791: q, k, v, o, r, their biases and seg_embed."""
    model = load_model(folders["xlnet"], num_labels=2, seed=0)
    attention = model.transformer.layer[1].rel_attn
    with torch.no_grad():
        for p in attention.parameters(recurse=False):
            p.zero_()
    reinitialize_top(model, num_layers=1)
    raw = dict(attention.named_parameters(recurse=False))
    biases = {"r_r_bias", "r_s_bias", "r_w_bias"}
    assert set(raw) == {"q", "k", "v", "o", "r", "seg_embed", *biases}
    assert all(p.std() > 0.01 for p in raw.values())


# ---------------------------------------------------------------- noise


@pytest.mark.parametrize("kind", SHAPES)
def test_noise_is_uniform_in_deviations_of_each_tensor_of_the_encoder(folders, kind):
    """w + λ (U[0, 1) - 1/2) std(w), with numpy in float64 (Wu et al., 2022, equation 1)."""
    model = load_model(folders[kind], num_labels=2, seed=0)
    before = {id(p): p.detach().double().numpy().copy() for p in model.parameters()}
    names = add_noise(model, intensity=0.3, seed=5)
    rng = stream_generator(5, "noise")
    named = layers(model)
    assert sorted([*names, *random_layers(model)]) == sorted(named)
    for name in names:
        for p in named[name].parameters():
            w, uniform = before[id(p)], torch.rand(p.shape, generator=rng).double().numpy()
            expected = w + 0.3 * (uniform - 0.5) * w.std(ddof=1)
            np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-5, atol=1e-7)
    for p in (p for name in random_layers(model) for p in named[name].parameters()):
        assert np.array_equal(p.detach().numpy(), before[id(p)])


def test_noise_moves_weights_by_at_most_half_the_intensity(bert):
    before = bert.bert.embeddings.word_embeddings.weight.detach().clone()
    add_noise(bert, intensity=0.2)
    after = bert.bert.embeddings.word_embeddings.weight.detach()
    moved = (after - before) / before.std()
    assert 0.0999 < moved.abs().max() <= 0.1001
    assert moved.std() == pytest.approx(0.2 / 12**0.5, rel=0.05)


def test_noise_is_the_same_in_a_partially_trained_embedding(bert):
    full, rows = copy.deepcopy(bert), torch.tensor([1, 4, 7])
    add_noise(full, intensity=0.3, seed=2)
    train_embedding_rows(bert, rows)
    add_noise(bert, intensity=0.3, seed=2)
    partial = bert.get_input_embeddings()
    noisy = full.get_input_embeddings().weight
    assert torch.equal(partial.merge().weight, noisy)
    assert torch.equal(partial.weight, noisy[rows])
    bert.set_input_embeddings(partial.merge())
    assert all(torch.equal(p, q) for p, q in zip(bert.parameters(), full.parameters(), strict=True))


def test_a_pooler_that_starts_at_random_gets_no_noise(bert):
    reinitialize(bert, ["pooler"], rng=torch.Generator())
    before = bert.bert.pooler.dense.weight.detach().clone()
    assert "pooler" not in add_noise(bert, intensity=0.3)
    assert torch.equal(bert.bert.pooler.dense.weight, before)


def test_another_seed_draws_other_noise(bert):
    other = copy.deepcopy(bert)
    add_noise(bert, intensity=0.3, seed=1)
    add_noise(other, intensity=0.3, seed=2)
    assert not torch.equal(bert.bert.pooler.dense.weight, other.bert.pooler.dense.weight)


def test_a_tensor_of_one_element_has_no_deviation_and_gets_no_noise():
    sizes = {"hidden_size": 1, "num_attention_heads": 1, "intermediate_size": 1}
    bert = BertForSequenceClassification(BertConfig(**sizes, num_hidden_layers=1))
    add_noise(bert, intensity=0.3)
    assert all(p.isfinite().all() for p in bert.parameters())


# ---------------------------------------------------------------- partially trained embeddings

TRAINED = [5, 9, 3, 5, 9]
"""Lengths of the rows that training meets."""


def train_steps(model, steps, **settings):
    optimizer = BertAdam(parameter_groups(model, 0.0), lr=1e-2, **settings)
    masks = DropoutMasks(0)
    for step in range(steps):
        packed, _, _ = packed_and_padded(TRAINED, seed=step % 3)
        loss = F.cross_entropy(packed_forward(model)(model, packed, masks), packed.labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def trained_rows():
    ids = [packed_and_padded(TRAINED, seed=seed)[0].input_ids for seed in range(3)]
    return torch.cat(ids).unique()


@pytest.mark.parametrize("bias_correction", [True, False])
def test_training_some_embeddings_equals_training_all(bias_correction):
    """Rows without a gradient are not moved by Adam, and other batches may contain them."""
    rows, logits = trained_rows(), []
    assert len(rows) < 70
    for partially in (False, True):
        model = small_bert(torch.float64)
        if partially:
            train_embedding_rows(model, rows)
            assert model.get_input_embeddings().weight.shape == (len(rows), 24)
        train_steps(model, 6, bias_correction=bias_correction)
        packed, _, _ = packed_and_padded(seed=9)
        with torch.no_grad():
            logits.append(packed_forward(model)(model, packed, DropoutMasks(0)))
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-10, atol=1e-12)


def test_partially_trained_embeddings_work_in_padded_batches():
    model = small_bert(torch.float64)
    train_embedding_rows(model, trained_rows())
    train_steps(model, 2)
    packed, padded, order = packed_and_padded(seed=9)
    with torch.no_grad():
        logits = packed_forward(model)(model, packed, DropoutMasks(0))
        torch.testing.assert_close(logits, model(**padded).logits[order])


def test_an_untrained_row_in_a_training_batch_is_an_error():
    model = small_bert()
    train_embedding_rows(model, torch.tensor([5, 6, 7]))
    packed, _, _ = packed_and_padded()
    with pytest.raises(IndexError):
        packed_forward(model)(model, packed, DropoutMasks(0))


def test_merged_embeddings_have_every_row_in_its_place():
    model = small_bert()
    before = model.get_input_embeddings().weight.detach().clone()
    train_embedding_rows(model, torch.tensor([5, 7]))
    embedding = model.get_input_embeddings()
    embedding.weight.data.add_(1)
    before[[5, 7]] += 1
    assert torch.equal(embedding.merge().weight, before)


# ---------------------------------------------------------------- dropout


@pytest.mark.parametrize("kind", SHAPES)
def test_has_dropout_agrees_with_two_passes(folders, kind):
    model, batch = load_model(folders[kind], num_labels=2, seed=0), padded_batch(9, 5)
    differ = not torch.equal(model(**batch).logits, model(**batch).logits)
    assert has_dropout(model) == differ == (kind != "modernbert")


@pytest.mark.parametrize("kind", SHAPES)
def test_dropout_can_be_disabled_in_every_architecture(folders, kind):
    model, batch = load_model(folders[kind], num_labels=2, seed=0), padded_batch(9, 5)
    disable_dropout(model)
    assert not has_dropout(model)
    assert torch.equal(model(**batch).logits, model(**batch).logits)
    torch.testing.assert_close(model(**batch).logits, model.eval()(**batch).logits)
