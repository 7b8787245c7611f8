"""Reference twins in float64: each optimizer against the plain form of its formula."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from stablebert.models.architectures import layers
from stablebert.models.loading import load_model
from stablebert.optim.adam import BertAdam, steps_taken
from stablebert.optim.bias_ratio import analytic_bias_ratio, update_norms
from stablebert.optim.groups import decay_to_start, layer_rates, parameter_groups, split_by_rate
from stablebert.optim.schedule import linear_warmup, warmup_scheduler

SETTINGS = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-6}


def two_groups(seed):
    """Parameters as an optimizer gets them: two groups with their own rate and decay."""
    rng = torch.Generator().manual_seed(seed)
    draw = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in ((5, 3), (7,))]
    params = [nn.Parameter(x) for x in draw]
    groups = [
        {"params": [params[0]], "weight_decay": 0.01},
        {"params": [params[1]], "weight_decay": 0.0, "lr": 5e-4},
    ]
    return params, groups


def gradients(shapes, steps, seed=0):
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield [torch.randn(s, generator=rng, dtype=torch.float64) for s in shapes]


def test_with_correction_equals_torch_adamw():
    ours, our_groups = two_groups(1)
    theirs, their_groups = two_groups(1)
    a = BertAdam(our_groups, **SETTINGS)
    b = torch.optim.AdamW(their_groups, **SETTINGS, foreach=False, fused=False)
    for grads in gradients([p.shape for p in ours], 100):
        for p, q, g in zip(ours, theirs, grads, strict=True):
            p.grad, q.grad = g.clone(), g.clone()
        a.step()
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-12)
        for key in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(a.state[p][key], b.state[q][key], rtol=1e-12, atol=1e-15)
        assert a.state[p]["step"] == b.state[q]["step"] == 100


def test_without_correction_equals_the_tensorflow_optimizer():
    """AdamWeightDecayOptimizer.apply_gradients of google-research/bert, in numpy."""
    params, groups = two_groups(2)
    rates, decays = (1e-3, 5e-4), (0.01, 0.0)
    twin = [p.detach().numpy().copy() for p in params]
    m = [np.zeros_like(p) for p in twin]
    v = [np.zeros_like(p) for p in twin]
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=False)
    for grads in gradients([p.shape for p in params], 100):
        for i, g in enumerate(g.numpy() for g in grads):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            update = m[i] / (np.sqrt(v[i]) + 1e-6) + decays[i] * twin[i]
            twin[i] = twin[i] - rates[i] * update
        for p, g in zip(params, grads, strict=True):
            p.grad = g.clone()
        optimizer.step()
    for p, q in zip(params, twin, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q, rtol=1e-11, atol=1e-12)
    assert steps_taken(optimizer) == 100


@pytest.mark.parametrize("bias_correction", [True, False])
def test_gradients_computed_inside_the_step_count(bias_correction):
    """Lightning hands its closure to `step`: until then no parameter has a gradient."""
    moved = []
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
        assert steps_taken(optimizer) == 3
        moved.append(p.detach())
    assert torch.equal(*moved)


@pytest.mark.parametrize("bias_correction", [True, False])
def test_state_survives_saving(bias_correction):
    def run(params, optimizer, grads):
        for gs in grads:
            for p, g in zip(params, gs, strict=True):
                p.grad = g.clone()
            optimizer.step()

    params, groups = two_groups(3)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    grads = list(gradients([p.shape for p in params], 20))
    run(params, optimizer, grads[:10])
    copies, copy_groups = two_groups(3)
    resumed = BertAdam(copy_groups, **SETTINGS, bias_correction=bias_correction)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for p, q in zip(copies, params, strict=True):
        p.data.copy_(q.data)
    run(params, optimizer, grads[10:])
    run(copies, resumed, grads[10:])
    assert steps_taken(resumed) == 20
    assert all(torch.equal(p, q) for p, q in zip(params, copies, strict=True))


def test_beta_too_near_one_is_refused():
    with pytest.raises(ValueError, match=r"betas=\(0.9, 0.9999999\)"):
        BertAdam(
            [nn.Parameter(torch.ones(1))], lr=1.0, betas=(0.9, 0.9999999), bias_correction=False
        )


def test_schedule_equals_hugging_face():
    from transformers import get_linear_schedule_with_warmup

    for total in (1, 7, 20, 234, 96):
        ours = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=2e-5)
        theirs = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=2e-5)
        a = warmup_scheduler(ours, total=total, warmup=0.1)
        b = get_linear_schedule_with_warmup(theirs, int(0.1 * total), total)
        rates = []
        for _ in range(total + 1):
            rates.append((ours.param_groups[0]["lr"], theirs.param_groups[0]["lr"]))
            for optimizer, scheduler in ((ours, a), (theirs, b)):
                optimizer.step()
                scheduler.step()
        assert all(x == pytest.approx(y, rel=1e-12, abs=1e-18) for x, y in rates), total


def test_first_update_has_rate_zero_and_the_peak_comes_after_a_tenth():
    rates = [linear_warmup(step, total=234, warmup=0.1) for step in range(235)]
    assert rates[0] == 0
    assert rates.index(1.0) == 23
    assert rates[234] == 0
    assert linear_warmup(0, total=5, warmup=0.1) == 1.0  # int(0.1 * 5) = 0: nothing to warm up


def test_analytic_bias_ratio_has_the_paper_s_values():
    values = {1: 3.162, 2: 4.250, 10: 6.528, 24: 5.974, 100: 3.241, 234: 2.189, 804: 1.345}
    for step, value in values.items():
        assert analytic_bias_ratio(step, (0.9, 0.999)) == pytest.approx(value, abs=6e-4)
    curve = [analytic_bias_ratio(t, (0.9, 0.999)) for t in range(1, 100)]
    assert 1 + curve.index(max(curve)) in (11, 12, 13)
    assert max(curve) == pytest.approx(6.57, abs=5e-3)
    assert analytic_bias_ratio(36816, (0.9, 0.999)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("bias_correction", [True, False])
def test_update_norms_equal_their_formula(bias_correction):
    params, groups = two_groups(4)
    optimizer = BertAdam(groups, lr=1e-3, eps=0.05, bias_correction=bias_correction)
    for t, grads in enumerate(gradients([p.shape for p in params], 12), start=1):
        for p, g in zip(params, grads, strict=True):
            p.grad = g.clone()
        optimizer.step()
        m = np.concatenate([optimizer.state[p]["exp_avg"].numpy().ravel() for p in params])
        v = np.concatenate([optimizer.state[p]["exp_avg_sq"].numpy().ravel() for p in params])
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        expected = [
            np.linalg.norm(m / (np.sqrt(v) + 0.05)) ** 2,
            np.linalg.norm(m_hat / (np.sqrt(v_hat) + 0.05)) ** 2,
            (np.sqrt(v) < 0.05).sum(),
            v.size,
        ]
        found = update_norms(
            [optimizer.state[p] for p in params],
            betas=(0.9, 0.999),
            eps=0.05,
            offset=optimizer.step_offset,
        )
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_the_update_applied_is_the_one_measured():
    """Rate 1 and no decay: the norm of the move is the norm that `update_norms` gives."""
    for bias_correction, column in ((False, 0), (True, 1)):
        p = nn.Parameter(torch.randn(40, dtype=torch.float64))
        optimizer = BertAdam([p], lr=1.0, weight_decay=0.0, bias_correction=bias_correction)
        for _ in range(15):
            before = p.detach().clone()
            p.grad = torch.randn(40, dtype=torch.float64)
            optimizer.step()
        norms = update_norms(
            [optimizer.state[p]], betas=(0.9, 0.999), eps=1e-8, offset=optimizer.step_offset
        )
        move = torch.linalg.vector_norm(p.detach() - before).item()
        assert move == pytest.approx(math.sqrt(norms[column]), rel=1e-6)


def test_no_decay_on_biases_and_layer_norms():
    model = nn.ModuleDict({"dense": nn.Linear(3, 3), "LayerNorm": nn.LayerNorm(3)})
    decayed, exempt = parameter_groups(model, 0.1)
    assert decayed["weight_decay"] == 0.1
    assert exempt["weight_decay"] == 0.0
    assert [id(p) for p in decayed["params"]] == [id(model["dense"].weight)]
    assert len(exempt["params"]) == 3


def test_a_rule_that_matches_nothing_is_refused():
    """Trap 22: on a model without biases and LayerNorms, it would silently mean something else."""
    with pytest.raises(ValueError, match="no biases and LayerNorms"):
        parameter_groups(nn.Linear(3, 3, bias=False), 0.1)


def test_frozen_parameters_are_in_no_group():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    assert [len(g["params"]) for g in parameter_groups(model, 0.1)] == [1, 1]
    model[1].weight.requires_grad_(False)
    (only,) = parameter_groups(model, 0.1)
    assert only["weight_decay"] == 0.0
    assert [id(p) for p in only["params"]] == [id(model[1].bias)]
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="every parameter is frozen"):
        parameter_groups(model, 0.1)


# ---------------------------------------------------------------- layer-wise rates


def test_layer_rates_of_a_bert_large():
    """Released run_glue.py, L90-120: head at the base rate, layer.23 times d, embeddings d^25."""
    names = ["embeddings", *(f"layer.{i}" for i in range(24)), "pooler", "classifier"]
    rates = layer_rates(names, lr=2e-5, decay=0.95)
    assert list(rates) == names
    assert rates["classifier"] == rates["pooler"] == 2e-5
    for i in range(24):
        assert rates[f"layer.{i}"] == pytest.approx(2e-5 * 0.95 ** (24 - i), rel=1e-12)
    assert rates["embeddings"] == pytest.approx(2e-5 * 0.95**25, rel=1e-12)


def test_every_parameter_has_its_layers_rate_and_its_own_decay(tiny_bert):
    model = load_model(tiny_bert, num_labels=2, seed=0)
    named, rates = layers(model), layer_rates(list(layers(model)), lr=1.0, decay=0.5)
    groups = split_by_rate(parameter_groups(model, 0.01), named, rates)
    found = {id(p): group for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    expected = {"classifier": 1, "pooler": 1, "layer.1": 0.5, "layer.0": 0.25, "embeddings": 0.125}
    for name, part in named.items():
        for parameter, p in part.named_parameters():
            assert found[id(p)]["lr"] == expected[name], parameter
            exempt = "LayerNorm" in parameter or parameter.endswith("bias")
            assert found[id(p)]["weight_decay"] == (0.0 if exempt else 0.01), parameter


# ---------------------------------------------------------------- decay towards the start


def pulled(pull):
    """A parameter of 4 elements under a pull to its start, moved away from it."""
    p, free = nn.Linear(4, 1).double(), nn.Linear(2, 1).double()
    groups = parameter_groups(nn.ModuleDict({"p": p, "free": free}), pull)
    optimizer = BertAdam(decay_to_start(groups, free=free), **SETTINGS)
    return p, free, optimizer


def test_decay_to_start_equals_its_closed_form():
    """Without gradients p_t = p_0 + (1 - lr pull)^t (p - p_0): Adam's update is 0."""
    p, free, optimizer = pulled(0.5)
    start, elsewhere = p.weight.detach().clone(), free.weight.detach().clone()
    away = torch.tensor([[1.0, -2.0, 0.5, 3.0]], dtype=torch.float64)
    with torch.no_grad():
        p.weight.add_(away)
        free.weight.add_(1)
    for q in (*p.parameters(), *free.parameters()):
        q.grad = torch.zeros_like(q)
    for _ in range(50):
        optimizer.step()
    expected = start + (1 - SETTINGS["lr"] * 0.5) ** 50 * away
    torch.testing.assert_close(p.weight.detach(), expected, rtol=1e-12, atol=0)
    assert torch.equal(free.weight.detach(), elsewhere + 1)  # the classifier is not pulled


def test_decay_to_start_equals_the_released_optimizer():
    """prior_wd_optim.py in its own order: p -= lr lambda (p - p_0), then Adam without decay."""
    p, _, optimizer = pulled(0.3)
    twin = copy.deepcopy(p)
    start = twin.weight.detach().clone()
    theirs = torch.optim.AdamW(twin.parameters(), **SETTINGS, weight_decay=0, foreach=False)
    for weight, bias in gradients([p.weight.shape, p.bias.shape], 30):
        p.weight.grad, twin.weight.grad = weight.clone(), weight.clone()
        p.bias.grad, twin.bias.grad = bias.clone(), bias.clone()
        optimizer.step()
        with torch.no_grad():
            twin.weight.sub_(SETTINGS["lr"] * 0.3 * (twin.weight - start))
        theirs.step()
    torch.testing.assert_close(p.weight, twin.weight, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(p.bias, twin.bias, rtol=1e-10, atol=1e-12)


def test_decay_to_zero_really_decays():
    """The released code's plain decay is a no-op (its wrapper zeroes it and puts nothing back)."""
    p = nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = BertAdam([{"params": [p], "weight_decay": 0.1}], **SETTINGS)
    p.grad = torch.zeros_like(p)
    for _ in range(20):
        optimizer.step()
    expected = torch.full_like(p, (1 - SETTINGS["lr"] * 0.1) ** 20)
    torch.testing.assert_close(p.detach(), expected, rtol=1e-12, atol=0)
