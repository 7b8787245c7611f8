"""BertAdam in float64 against the plain form of each formula."""

import copy
import pickle
import re
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from stablebert.optim.adam import BertAdam, steps_taken
from stablebert.optim.groups import decay_to_start, parameter_groups
from tests.helpers.optimizers import CORRECTIONS, SETTINGS, gradients, take_steps, two_groups


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


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_training_continues_from_a_saved_state(bias_correction):
    params, groups = two_groups(3)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    grads = list(gradients(params, 20))
    take_steps(optimizer, params, grads[:10])
    copies, copy_groups = two_groups(3)
    resumed = BertAdam(copy_groups, **SETTINGS, bias_correction=bias_correction)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for p, q in zip(copies, params, strict=True):
        p.data.copy_(q.data)
    take_steps(optimizer, params, grads[10:])
    take_steps(resumed, copies, grads[10:])
    assert steps_taken(resumed) == 20
    assert all(torch.equal(p, q) for p, q in zip(params, copies, strict=True))


COPIES = {
    "deep copy": copy.deepcopy,
    "pickle": lambda optimizer: pickle.loads(pickle.dumps(optimizer)),
}


def parameters_of(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("bias_correction", CORRECTIONS)
@pytest.mark.parametrize("steps_before", [0, 5])
def test_a_copy_continues_like_its_original(kind, bias_correction, steps_before):
    params, groups = two_groups(4)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    grads = list(gradients(params, 10))
    take_steps(optimizer, params, grads[:steps_before])
    twin = COPIES[kind](optimizer)
    take_steps(optimizer, params, grads[steps_before:])
    take_steps(twin, parameters_of(twin), grads[steps_before:])
    assert steps_taken(twin) == 10
    assert all(torch.equal(p, q) for p, q in zip(params, parameters_of(twin), strict=True))


@pytest.mark.parametrize("copied", [lambda x: x, *COPIES.values()])
@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_a_group_that_is_added_has_the_bias_correction(copied, bias_correction):
    params, groups = two_groups(4)
    optimizer = copied(BertAdam(groups[:1], **SETTINGS, bias_correction=bias_correction))
    optimizer.add_param_group({"params": [params[1]], "weight_decay": 0.0, "lr": 5e-4})
    twins, twin_groups = two_groups(4)
    twin = BertAdam(twin_groups, **SETTINGS, bias_correction=bias_correction)
    take_steps(optimizer, parameters_of(optimizer), gradients(params, 5))
    take_steps(twin, twins, gradients(params, 5))
    assert all(torch.equal(p, q) for p, q in zip(parameters_of(optimizer), twins, strict=True))


@pytest.mark.parametrize("other", CORRECTIONS[1:])
def test_a_group_may_have_a_bias_correction_of_its_own(other):
    params, groups = two_groups(4)
    groups[1]["bias_correction"] = other
    optimizer = BertAdam(groups, **SETTINGS)
    take_steps(optimizer, params, gradients(params, 3))
    for index, bias_correction in enumerate((True, other)):
        twins, twin_groups = two_groups(4)
        twin = BertAdam(twin_groups, **SETTINGS, bias_correction=bias_correction)
        take_steps(twin, twins, gradients(params, 3))
        assert torch.equal(params[index], twins[index])
    assert steps_taken(optimizer) == 3


def without_the_switch(state):
    """Return a state as versions saved it that kept the switch outside of the groups."""
    groups = [{k: v for k, v in g.items() if k != "bias_correction"} for g in state["param_groups"]]
    return {"state": state["state"], "param_groups": groups}


@pytest.mark.parametrize("of", [lambda state: state, without_the_switch], ids=["new", "old"])
@pytest.mark.parametrize("bias_correction", [True, False])
def test_a_state_of_the_other_kind_is_refused(of, bias_correction):
    """BERTAdam would have counted -9,999,997 steps and corrected them."""
    params, groups = two_groups(4)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    take_steps(optimizer, params, gradients(params, 3))
    other = BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=not bias_correction)
    message = f"state comes from an optimizer with bias_correction={bias_correction} in group 0"
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(of(optimizer.state_dict()))
    assert steps_taken(other) == 0


@pytest.mark.parametrize(("saved", "own"), [*permutations(CORRECTIONS, 2)])
def test_a_state_with_another_bias_correction_is_refused(saved, own):
    optimizer, other = (
        BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=c) for c in (saved, own)
    )
    message = re.escape(f"bias_correction={saved!r} in group 0, but this one has {own!r}")
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize("bias_correction", [True, False])
@pytest.mark.parametrize("steps_before", [0, 3])
def test_a_state_without_the_switch_is_loaded(bias_correction, steps_before):
    params, groups = two_groups(4)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    take_steps(optimizer, params, gradients(params, steps_before))
    twin = BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=bias_correction)
    twin.load_state_dict(without_the_switch(optimizer.state_dict()))
    take_steps(twin, parameters_of(twin), gradients(params, 2))
    assert steps_taken(twin) == steps_before + 2
    assert {group["bias_correction"] for group in twin.param_groups} == {bias_correction}


def test_a_state_of_torch_s_adamw_has_the_correction():
    params, groups = two_groups(4)
    theirs = torch.optim.AdamW(groups, **SETTINGS)
    take_steps(theirs, params, gradients(params, 3))
    ours = BertAdam(two_groups(4)[1], **SETTINGS)
    ours.load_state_dict(theirs.state_dict())
    assert steps_taken(ours) == 3
    with pytest.raises(ValueError, match="comes from an optimizer with bias_correction=True"):
        BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=False).load_state_dict(
            theirs.state_dict()
        )


def test_a_state_without_a_pull_is_refused_by_an_optimizer_that_pulls():
    """Torch takes the options of a group from the state, so the pull would vanish."""
    _, _, optimizer = pulled(0.5)
    _, _, plain = pulled(0.0)
    with pytest.raises(
        ValueError, match=r"optimizer with pull=None in group 0, but this one has 0\.5"
    ):
        optimizer.load_state_dict(plain.state_dict())


def test_a_copy_is_pulled_like_its_original():
    layer, _, optimizer = pulled(0.5)
    with torch.no_grad():
        layer.weight.add_(1)
    twin = copy.deepcopy(optimizer)
    for each in (optimizer, twin):
        take_steps(each, parameters_of(each), [[torch.zeros_like(p) for p in parameters_of(each)]])
    assert torch.equal(parameters_of(optimizer)[0], parameters_of(twin)[0])


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_a_copy_leaves_unscaling_to_the_scaler(bias_correction):
    """Otherwise Lightning refuses to clip its gradients in fp16 (docs/pitfalls.md, 5)."""
    optimizer = BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=bias_correction)
    for each in (optimizer, copy.deepcopy(optimizer)):
        assert not each._step_supports_amp_scaling


def test_a_beta_too_close_to_one_is_refused():
    p = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match=r"betas=\(0.9, 0.9999999\)"):
        BertAdam([p], lr=1.0, betas=(0.9, 0.9999999), bias_correction=False)


def test_a_beta_of_an_added_group_is_checked():
    optimizer = BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=False)
    group = {"params": [nn.Parameter(torch.ones(1))], "betas": (0.9, 0.9999999)}
    with pytest.raises(ValueError, match=r"betas=\(0.9, 0.9999999\)"):
        optimizer.add_param_group(group)


def pulled(pull):
    """Return a Linear that is pulled to its start, one that is not, and their optimizer."""
    layer, free = nn.Linear(4, 1).double(), nn.Linear(2, 1).double()
    groups = parameter_groups(nn.ModuleDict({"layer": layer, "free": free}), pull)
    return layer, free, BertAdam(decay_to_start(groups, exclude=[free]), **SETTINGS)


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
