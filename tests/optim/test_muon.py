"""Muon for the weight matrices of the layers, Adam for the rest."""

import copy
import pickle

import pytest
import torch

from stablebert.callbacks.bias_ratio import measure_bias_ratio
from stablebert.models.location import layers
from stablebert.optim.adam import BertAdam, steps_taken
from stablebert.optim.groups import decay_to_start, layer_rates, parameter_groups, split_by_rate
from stablebert.optim.muon import MuonAdam, muon_groups
from tests.helpers.architectures import SHAPES, build_architecture

needs_muon = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="needs torch 2.9")
RATE, DECAY, MOMENTUM = 0.01, 0.1, 0.95


def orthogonalize(matrix):
    """Apply Newton-Schulz to the singular values alone, in float64."""
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.norm()
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    return left @ torch.diag(values) @ right


def build_pair(shape=(6, 10), dtype=torch.float64, **settings):
    """Return a matrix for Muon, a vector for Adam and their optimizer."""
    rng = torch.Generator().manual_seed(0)
    matrix, vector = (torch.randn(s, generator=rng, dtype=dtype) for s in (shape, (4,)))
    parts = [torch.nn.Parameter(matrix), torch.nn.Parameter(vector)]
    muon = {"params": [parts[0]], "muon": True, "bias_correction": True}
    return *parts, MuonAdam([muon, {"params": [parts[1]]}], lr=RATE, **settings)


def take_steps(optimizer, count, start=0):
    """Take steps with gradients that depend on the step alone, and return those of the matrix."""
    gradients = []
    for step in range(start, start + count):
        rng = torch.Generator().manual_seed(step)
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.randn(p.shape, generator=rng, dtype=p.dtype)
                gradients += [p.grad.clone()] if p.ndim == 2 else []
        optimizer.step()
    return gradients


@needs_muon
@pytest.mark.parametrize("shape", [(6, 10), (10, 6), (8, 8)])
def test_steps_are_those_of_the_formula_in_float64(shape):
    matrix, _, optimizer = build_pair(shape, weight_decay=DECAY)
    expected, momentum = matrix.detach().clone(), torch.zeros(shape, dtype=torch.float64)
    start = expected.clone()
    for gradient in take_steps(optimizer, 4):
        momentum = MOMENTUM * momentum + (1 - MOMENTUM) * gradient
        update = orthogonalize(MOMENTUM * momentum + (1 - MOMENTUM) * gradient)
        expected -= RATE * DECAY * expected + 0.2 * RATE * max(shape) ** 0.5 * update
    error = (matrix - expected).norm() / (expected - start).norm()
    assert error < 0.02  # the iterations are in bfloat16


@needs_muon
def test_an_update_has_the_root_mean_square_of_an_adam_update():
    matrix, _, optimizer = build_pair((64, 32))
    start = matrix.detach().clone()
    take_steps(optimizer, 1)
    assert (matrix - start).square().mean().sqrt().item() == pytest.approx(0.2 * RATE, rel=0.25)


@needs_muon
@pytest.mark.parametrize("bias_correction", [True, False, "second_moment", "learning_rate"])
def test_the_other_parameters_take_the_steps_of_adam(bias_correction):
    _, vector, optimizer = build_pair(weight_decay=DECAY, bias_correction=bias_correction)
    twin = torch.nn.Parameter(vector.detach().clone())
    adam = BertAdam([twin], lr=RATE, weight_decay=DECAY, bias_correction=bias_correction)
    for step in range(3):
        take_steps(optimizer, 1, start=step)
        twin.grad = vector.grad.clone()
        adam.step()
    assert torch.equal(vector, twin)


@needs_muon
@pytest.mark.parametrize("bias_correction", [True, False])
def test_steps_are_counted(bias_correction):
    optimizer = build_pair(bias_correction=bias_correction)[-1]
    take_steps(optimizer, 3)
    assert steps_taken(optimizer) == 3


@needs_muon
@pytest.mark.parametrize("bias_correction", [True, False])
@pytest.mark.parametrize("pickled", [False, True], ids=["state", "pickle"])
def test_a_saved_optimizer_continues(bias_correction, pickled):
    matrix, vector, optimizer = build_pair(bias_correction=bias_correction)
    take_steps(optimizer, 2)
    if pickled:
        other = pickle.loads(pickle.dumps(optimizer))
    else:
        other = build_pair(bias_correction=bias_correction)[-1]
        other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        for group, original in zip(other.param_groups, (matrix, vector), strict=True):
            group["params"][0].data.copy_(original.data)
    take_steps(optimizer, 2, start=2)
    take_steps(other, 2, start=2)
    for group, original in zip(other.param_groups, (matrix, vector), strict=True):
        assert torch.equal(group["params"][0], original)


COUNTS = {
    **dict.fromkeys(("bert", "roberta", "electra", "distilbert", "deberta-v2"), 12),
    "xlnet": 4,  # its attention has weights outside of Linears
    "bart": 32,  # decoder layers have two attentions
    "albert": 6,  # one shared layer
    "modernbert": 8,  # query, key and value in one
}


@pytest.mark.parametrize("kind", SHAPES)
def test_muon_has_the_matrices_of_the_layers(kind):
    model = build_architecture(kind)
    names = {id(p): name for name, p in model.named_parameters()}
    blocks = [layer for name, layer in layers(model).items() if name.startswith("layer.")]
    in_blocks = {id(p) for block in blocks for p in block.parameters()}
    groups = muon_groups(parameter_groups(model, 0.0), layers(model))
    muon = [p for group in groups if "muon" in group for p in group["params"]]
    assert len(muon) == COUNTS[kind]
    assert all(p.ndim == 2 and id(p) in in_blocks for p in muon), [names[id(p)] for p in muon]


def test_every_parameter_keeps_the_rate_and_the_pull_of_its_layer():
    model = build_architecture("bert")
    layers_by_name = layers(model)
    rates = layer_rates(list(layers_by_name), lr=1.0, decay=0.5)
    groups = split_by_rate(parameter_groups(model, 0.1), layers_by_name, rates)
    groups = decay_to_start(muon_groups(groups, layers_by_name), exclude=())
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert {(group["lr"], group["pull"]) for group in groups if "muon" in group} == {
        (0.25, 0.1),
        (0.5, 0.1),
    }


@needs_muon
def test_matrices_are_pulled_to_their_start():
    matrix = torch.nn.Parameter(torch.ones(2, 2))
    group = {"params": [matrix], "muon": True, "bias_correction": True, "weight_decay": 0.5}
    optimizer = MuonAdam(decay_to_start([group], exclude=()), lr=1.0)
    with torch.no_grad():
        matrix.fill_(3.0)
    matrix.grad = torch.zeros(2, 2)
    optimizer.step()
    assert torch.equal(matrix, torch.full((2, 2), 2.0))


@needs_muon
def test_the_bias_ratio_is_that_of_the_parameters_with_adam():
    model = build_architecture("bert")
    groups = muon_groups(parameter_groups(model, 0.0), layers(model))
    optimizer = MuonAdam(groups, lr=1e-3, eps=1e-30)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    ratios = measure_bias_ratio(optimizer, layers(model))
    assert ratios["bias_ratio/layer_00"] == pytest.approx(3.1623, rel=1e-4)


def test_a_model_without_trained_matrices_is_refused():
    model = build_architecture("bert")
    model.base_model.requires_grad_(False)
    with pytest.raises(ValueError, match=r"optimizer\.matrices=muon: no weight matrix of a layer"):
        muon_groups(parameter_groups(model, 0.0), layers(model))
