"""R-Drop against its formula, row by row, in plain Python."""

import math

import pytest
import torch

from stablebert.losses import fine_tuning_loss, rdrop_loss


def softmax(row):
    powers = [math.exp(x) for x in row]
    return [x / sum(powers) for x in powers]


def draw(*shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("alpha", [0.5, 3.0])
def test_rdrop_is_equation_4_halved(alpha):
    first, second, labels = draw(5, 3), draw(5, 3, seed=1), torch.tensor([0, 2, 1, 1, 0])
    total = 0.0
    for a, b, y in zip(first.tolist(), second.tolist(), labels.tolist(), strict=True):
        p, q = softmax(a), softmax(b)
        nll = -math.log(p[y]) - math.log(q[y])
        kl = sum(x * math.log(x / z) for x, z in zip(p, q, strict=True))
        lk = sum(z * math.log(z / x) for x, z in zip(p, q, strict=True))
        total += (nll + alpha * (kl + lk) / 2) / 2
    assert rdrop_loss(first, second, labels, alpha=alpha).item() == pytest.approx(total / 5)


def test_rdrop_of_a_regression():
    first, second = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [2.0]])
    labels = torch.tensor([2.0, 0.0])
    # squared errors 1, 4 and 1, 4; squared differences 4, 0
    assert rdrop_loss(first, second, labels, alpha=0.5).item() == 2.5 + 0.25 * 2


def test_rdrop_of_equal_passes_is_the_usual_loss():
    logits, labels = draw(4, 2), torch.tensor([0, 1, 1, 0])
    assert rdrop_loss(logits, logits, labels, alpha=9) == fine_tuning_loss(logits, labels)


@pytest.fixture
def certain_pass():
    """Logits of a certain and of an unsure pass, and their loss after its backward pass."""
    certain = torch.tensor([[200.0, -200.0]], requires_grad=True)
    unsure = torch.tensor([[0.1, 0.0]], requires_grad=True)
    loss = rdrop_loss(certain, unsure, torch.tensor([0]), alpha=1.0)
    loss.backward()
    return certain, unsure, loss


def test_rdrop_and_its_gradient_are_finite_when_a_pass_is_certain(certain_pass):
    certain, unsure, loss = certain_pass
    assert all(x.isfinite().all() for x in (loss, certain.grad, unsure.grad))


def test_gradient_of_rdrop_is_its_derivative():
    pair = (draw(3, 4).requires_grad_(), draw(3, 4, seed=1).requires_grad_())
    labels = torch.tensor([0, 3, 1])
    assert torch.autograd.gradcheck(lambda a, b: rdrop_loss(a, b, labels, alpha=2.0), pair)
