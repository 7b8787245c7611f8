"""The bias ratio: the paper's curve, and measured norms against their formula."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from stablebert.optim.adam import BertAdam, step_offset
from stablebert.optim.bias_ratio import analytic_bias_ratio, update_norms
from tests.helpers.optimizers import CORRECTIONS, gradients, take_steps, two_groups

BETAS = (0.9, 0.999)
CURVE = {1: 3.162, 2: 4.250, 10: 6.528, 24: 5.974, 100: 3.241, 234: 2.189, 804: 1.345, 36816: 1}


@pytest.mark.parametrize(("step", "value"), CURVE.items())
def test_analytic_bias_ratio_has_the_values_of_the_paper(step, value):
    assert analytic_bias_ratio(step, BETAS) == pytest.approx(value, abs=6e-4)


def test_the_bias_ratio_peaks_near_step_12():
    curve = [analytic_bias_ratio(t, BETAS) for t in range(1, 100)]
    assert 1 + curve.index(max(curve)) in (11, 12, 13)
    assert max(curve) == pytest.approx(6.57, abs=5e-3)


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_update_norms_equal_their_formula(bias_correction):
    params, groups = two_groups(4)
    optimizer = BertAdam(groups, lr=1e-3, eps=0.05, bias_correction=bias_correction)
    for t, grads in enumerate(gradients(params, 12), start=1):
        take_steps(optimizer, params, [grads])
        m = np.concatenate([optimizer.state[p]["exp_avg"].numpy().ravel() for p in params])
        v = np.concatenate([optimizer.state[p]["exp_avg_sq"].numpy().ravel() for p in params])
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        expected = [
            np.linalg.norm(m / (np.sqrt(v) + 0.05)) ** 2,
            np.linalg.norm(m_hat / (np.sqrt(v_hat) + 0.05)) ** 2,
            (np.sqrt(v) < 0.05).sum(),
            v.size,
        ]
        state = [optimizer.state[p] for p in params]
        offset = step_offset(optimizer.param_groups[0])
        norms = update_norms(state, betas=BETAS, eps=0.05, offset=offset)
        np.testing.assert_allclose(norms.numpy(), expected, rtol=1e-6)


APPLIED = {
    True: (1, lambda t: 1),
    False: (0, lambda t: 1),
    "second_moment": (1, lambda t: 1 - 0.9**t),
    "learning_rate": (0, lambda t: 1 / analytic_bias_ratio(t, BETAS)),
}
"""Measured norm to which each correction's update is proportional, and the factor in step t."""


@pytest.mark.parametrize("eps", [1e-8, 0.05])
@pytest.mark.parametrize("bias_correction", APPLIED)
def test_the_update_applied_follows_from_the_one_measured(bias_correction, eps):
    """With rate 1 and no decay, the movement is a known multiple of one of `update_norms`."""
    column, factor = APPLIED[bias_correction]
    p = nn.Parameter(torch.randn(40, dtype=torch.float64))
    optimizer = BertAdam([p], lr=1.0, eps=eps, bias_correction=bias_correction)
    for t in range(1, 16):
        before = p.detach().clone()
        p.grad = torch.randn(40, dtype=torch.float64)
        optimizer.step()
        offset = step_offset(optimizer.param_groups[0])
        norms = update_norms([optimizer.state[p]], betas=BETAS, eps=eps, offset=offset)
        movement = torch.linalg.vector_norm(p.detach() - before).item()
        assert movement == pytest.approx(factor(t) * math.sqrt(norms[column]), rel=1e-6)
