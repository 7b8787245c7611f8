"""BertAdam in float64 against the plain form of each formula."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from stablebert.optim.adam import BertAdam, steps_taken
from tests.helpers.optimizers import (
    CORRECTIONS,
    SETTINGS,
    gradients,
    pulled,
    take_steps,
    two_groups,
)


@pytest.fixture(scope="module")
def corrected_twins():
    """Parameters and optimizer of ours and of torch's AdamW after 100 steps."""
    twins = []
    for kind, extra in ((BertAdam, {}), (torch.optim.AdamW, {"foreach": False, "fused": False})):
        params, groups = two_groups(1)
        optimizer = kind(groups, **SETTINGS, **extra)
        take_steps(optimizer, params, gradients(params, 100))
        twins.append((params, optimizer))
    return twins


def test_with_correction_weights_equal_those_of_torch_adamw(corrected_twins):
    (ours, _), (theirs, _) = corrected_twins
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("moment", ["exp_avg", "exp_avg_sq"])
def test_with_correction_moments_equal_those_of_torch_adamw(corrected_twins, moment):
    (ours, a), (theirs, b) = corrected_twins
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.state[p][moment], b.state[q][moment], rtol=1e-12, atol=1e-15)


FORMULAS = {
    True: lambda m, v, t: (m / (1 - 0.9**t), v / (1 - 0.999**t)),
    False: lambda m, v, t: (
        m,
        v,
    ),  # AdamWeightDecayOptimizer.apply_gradients of google-research/bert
    "second_moment": lambda m, v, t: (m, v / (1 - 0.999**t)),
    "learning_rate": lambda m, v, t: (m * np.sqrt(1 - 0.999**t) / (1 - 0.9**t), v),
}
"""From (m, v, t) to the moments that the update m / (√v + ε) has with each bias correction."""


@pytest.mark.parametrize("eps", [1e-6, 0.1])
@pytest.mark.parametrize("bias_correction", FORMULAS)
def test_every_bias_correction_equals_its_formula(bias_correction, eps):
    """In numpy; with decay, which no bias correction scales, and also where eps is large."""
    params, groups = two_groups(2)
    rates, decays = (1e-3, 5e-4), (0.01, 0.0)
    twin = [p.detach().numpy().copy() for p in params]
    m = [np.zeros_like(p) for p in twin]
    v = [np.zeros_like(p) for p in twin]
    for t, grads in enumerate(gradients(params, 100), 1):
        for i, g in enumerate(g.numpy() for g in grads):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            first, second = FORMULAS[bias_correction](m[i], v[i], t)
            update = first / (np.sqrt(second) + eps) + decays[i] * twin[i]
            twin[i] = twin[i] - rates[i] * update
    optimizer = BertAdam(groups, **SETTINGS | {"eps": eps}, bias_correction=bias_correction)
    take_steps(optimizer, params, gradients(params, 100))
    for p, q in zip(params, twin, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q, rtol=1e-11, atol=1e-12)


def distance_to_adam(eps):
    """Return the largest distance between weights after 100 steps of rescaled BERTAdam and Adam."""
    weights = []
    for bias_correction in ("learning_rate", True):
        params, groups = two_groups(2)
        optimizer = BertAdam(groups, **SETTINGS | {"eps": eps}, bias_correction=bias_correction)
        take_steps(optimizer, params, gradients(params, 100))
        weights.append(torch.cat([p.detach().flatten() for p in params]))
    return (weights[0] - weights[1]).abs().max().item()


def test_rescaling_the_rate_of_bert_adam_gives_adam_where_eps_is_negligible():
    assert distance_to_adam(1e-30) < 1e-13


def test_rescaling_the_rate_of_bert_adam_differs_from_adam_where_eps_is_not_negligible():
    """BERTAdam's √v starts √0.001 times as large as Adam's √v̂, so eps counts 32 times as much."""
    movements = []
    for bias_correction in ("learning_rate", True):
        p = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        optimizer = BertAdam([p], lr=1.0, eps=1e-8, bias_correction=bias_correction)
        take_steps(optimizer, [p], [[torch.tensor([1e-2, 1e-8], dtype=torch.float64)]])
        movements.append(-p.detach())
    rescaled, adam = movements
    torch.testing.assert_close(rescaled[0], adam[0], rtol=4e-5, atol=0)
    assert adam[1].item() == pytest.approx(1 / 2)
    assert rescaled[1].item() == pytest.approx(1 / (1 + 0.001**-0.5))


@pytest.mark.parametrize("bias_correction", CORRECTIONS[2:])
def test_a_parameter_that_is_trained_later_is_corrected_by_its_own_steps(bias_correction):
    params, _ = two_groups(2)
    settings = SETTINGS | {"weight_decay": 0.01, "bias_correction": bias_correction}
    twins = copy.deepcopy(params)
    both, *alone = (BertAdam(group, **settings) for group in (params, twins[:1], twins[1:]))
    grads = list(gradients(params, 6))
    take_steps(both, params[:1], [g[:1] for g in grads[:2]])
    take_steps(both, params, grads[2:])
    take_steps(alone[0], twins[:1], [g[:1] for g in grads])
    take_steps(alone[1], twins[1:], [g[1:] for g in grads[2:]])
    assert all(torch.equal(p, q) for p, q in zip(params, twins, strict=True))
    assert steps_taken(both) == 6


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_a_step_without_gradients_changes_nothing(bias_correction):
    params, groups = two_groups(2)
    before = copy.deepcopy(params)
    BertAdam(groups, **SETTINGS, bias_correction=bias_correction).step()
    assert all(torch.equal(p, q) for p, q in zip(params, before, strict=True))


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_a_step_leaves_the_settings_of_its_groups(bias_correction):
    params, groups = two_groups(2)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    settings = [dict(group) for group in optimizer.param_groups]
    take_steps(optimizer, params, gradients(params, 2))
    assert optimizer.param_groups == settings


def test_an_unknown_bias_correction_is_refused():
    message = "bias_correction='first': choose one of True, False, 'second_moment', 'learning_rate'"
    with pytest.raises(ValueError, match=message):
        BertAdam(two_groups(2)[1], **SETTINGS, bias_correction="first")


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_steps_are_counted(bias_correction):
    params, groups = two_groups(2)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    assert steps_taken(optimizer) == 0
    take_steps(optimizer, params, gradients(params, 3))
    assert steps_taken(optimizer) == 3


@pytest.mark.parametrize("kind", [torch.optim.Adam, BertAdam])
def test_steps_are_those_of_the_parameter_with_the_most_in_any_group(kind):
    """Others may be trained later, or never."""
    params = [nn.Parameter(torch.ones(1)) for _ in range(5)]
    optimizer = kind([{"params": params[:3]}, {"params": params[3:]}], lr=0.1)
    for trained in (params[1:2], params[1:4], params[1:4]):
        for p in trained:
            p.grad = torch.ones(1)
        optimizer.step()
    assert steps_taken(optimizer) == 3


def test_defaults_are_those_of_adam_without_decay():
    (group,) = BertAdam([nn.Parameter(torch.ones(1))], lr=0.1).param_groups
    names = ("betas", "eps", "weight_decay", "bias_correction", "fused")
    assert [group[name] for name in names] == [(0.9, 0.999), 1e-8, 0.0, True, True]


def test_steps_of_an_optimizer_without_a_counter_are_zero():
    p = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = torch.ones(1)
    optimizer.step()
    assert steps_taken(optimizer) == 0


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_gradients_computed_inside_the_step_count(bias_correction):
    """Lightning passes a closure to `step`; before it, no parameter has a gradient."""
    weights = []
    for inside in (True, False):
        p = nn.Parameter(torch.ones(3, dtype=torch.float64))
        optimizer = BertAdam([p], **SETTINGS, bias_correction=bias_correction)

        def closure(p=p, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (p**2).sum()
            loss.backward()
            return loss

        for _ in range(3):
            if inside:
                assert optimizer.step(closure) > 0
            else:
                closure()
                optimizer.step()
        weights.append(p.detach())
    assert torch.equal(*weights)


def test_a_beta_too_close_to_one_is_refused():
    p = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match=r"betas=\(0.9, 0.9999999\)"):
        BertAdam([p], lr=1.0, betas=(0.9, 0.9999999), bias_correction=False)


def test_a_beta_of_an_added_group_is_checked():
    optimizer = BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=False)
    group = {"params": [nn.Parameter(torch.ones(1))], "betas": (0.9, 0.9999999)}
    with pytest.raises(ValueError, match=r"betas=\(0.9, 0.9999999\)"):
        optimizer.add_param_group(group)


def test_decay_to_start_equals_its_closed_form():
    """Without gradients p_t = p_0 + (1 - lr pull)^t (p - p_0), because Adam's update is 0."""
    layer, free, optimizer = pulled(0.5)
    start = layer.weight.detach().clone()
    offset = torch.tensor([[1.0, -2.0, 0.5, 3.0]], dtype=torch.float64)
    with torch.no_grad():
        layer.weight.add_(offset)
    for p in (*layer.parameters(), *free.parameters()):
        p.grad = torch.zeros_like(p)
    for _ in range(50):
        optimizer.step()
    expected = start + (1 - SETTINGS["lr"] * 0.5) ** 50 * offset
    torch.testing.assert_close(layer.weight.detach(), expected, rtol=1e-12, atol=0)


def test_decay_to_start_leaves_parameters_without_a_gradient():
    """As decay to 0 does: what is frozen during training keeps its values."""
    layer, _, optimizer = pulled(0.5)
    with torch.no_grad():
        layer.weight.add_(1)
    before = layer.weight.detach().clone()
    optimizer.step()
    layer.bias.grad = torch.zeros_like(layer.bias)
    optimizer.step()
    assert torch.equal(layer.weight.detach(), before)


def test_decay_to_start_excludes_the_classifier():
    layer, free, optimizer = pulled(0.5)
    with torch.no_grad():
        free.weight.add_(1)
    before = free.weight.detach().clone()
    for p in (*layer.parameters(), *free.parameters()):
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert torch.equal(free.weight.detach(), before)


def test_decay_to_start_equals_the_released_optimizer():
    """prior_wd_optim.py in its order: p -= lr lambda (p - p_0), then Adam without decay."""
    layer, _, optimizer = pulled(0.3)
    twin = copy.deepcopy(layer)
    start = twin.weight.detach().clone()
    theirs = torch.optim.AdamW(twin.parameters(), **SETTINGS, weight_decay=0, foreach=False)
    grads = list(gradients([layer.weight, layer.bias], 30))
    take_steps(optimizer, [layer.weight, layer.bias], grads)
    for step_grads in grads:
        with torch.no_grad():
            twin.weight.sub_(SETTINGS["lr"] * 0.3 * (twin.weight - start))
        take_steps(theirs, [twin.weight, twin.bias], [step_grads])
    torch.testing.assert_close(layer.weight, twin.weight, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(layer.bias, twin.bias, rtol=1e-10, atol=1e-12)


def test_decay_to_zero_decays():
    """The released code's decay does nothing: its wrapper zeroes it and never restores it."""
    p = nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = BertAdam([{"params": [p], "weight_decay": 0.1}], **SETTINGS)
    p.grad = torch.zeros_like(p)
    for _ in range(20):
        optimizer.step()
    expected = torch.full_like(p, (1 - SETTINGS["lr"] * 0.1) ** 20)
    torch.testing.assert_close(p.detach(), expected, rtol=1e-12, atol=0)
