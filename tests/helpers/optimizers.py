"""Parameters and gradients in float64 for tests of optimizers."""

import torch
from torch import nn

from stablebert.optim.adam import BertAdam
from stablebert.optim.groups import decay_to_start, parameter_groups

CORRECTIONS = (True, False, "second_moment", "learning_rate")
SETTINGS = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-6}


def two_groups(seed):
    """Return two parameters, and their groups with a decay and a learning rate each."""
    rng = torch.Generator().manual_seed(seed)
    draws = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in ((5, 3), (7,))]
    params = [nn.Parameter(x) for x in draws]
    groups = [
        {"params": [params[0]], "weight_decay": 0.01},
        {"params": [params[1]], "weight_decay": 0.0, "lr": 5e-4},
    ]
    return params, groups


def gradients(params, steps, seed=0):
    """Yield random gradients of the parameters for each step."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield [torch.randn(p.shape, generator=rng, dtype=torch.float64) for p in params]


def take_steps(optimizer, params, grads):
    """Step once with each list of gradients."""
    for step_grads in grads:
        for p, g in zip(params, step_grads, strict=True):
            p.grad = g.clone()
        optimizer.step()


def pulled(pull):
    """Return a Linear that is pulled to its start, one that is not, and their optimizer."""
    layer, free = nn.Linear(4, 1).double(), nn.Linear(2, 1).double()
    groups = parameter_groups(nn.ModuleDict({"layer": layer, "free": free}), pull)
    return layer, free, BertAdam(decay_to_start(groups, exclude=[free]), **SETTINGS)
