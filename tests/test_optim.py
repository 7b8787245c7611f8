"""Reference twins in float64: each optimizer against the plain form of its formula."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from stablebert.optim import (
    BertAdam,
    analytic_bias_ratio,
    linear_warmup,
    parameter_groups,
    schedule,
    steps_taken,
    update_norms,
)

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
        a = schedule(ours, total=total, warmup=0.1)
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
