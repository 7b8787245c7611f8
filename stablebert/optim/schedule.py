"""The learning-rate schedule: linear warm-up, then linear decay to 0 or to a constant rate."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def linear_warmup(step: int, *, total: int, warmup: float, constant_from: float = 1.0) -> float:
    """Return the factor on the learning rate before an optimizer step.

    It rises linearly from 0 over the first `int(warmup * total)` steps, then falls linearly to 0 at
    `total`; the very first update therefore has rate 0, as in the released code (transformers 2.8,
    `optimization.py`).

    Args:
        step: Optimizer step, from 0.
        total: Optimizer steps of the whole run.
        warmup: Fraction of them with a rising rate.
        constant_from: Fraction of them after which the rate stays the same.

    Example:
        >>> [linear_warmup(step, total=10, warmup=0.2) for step in range(0, 11, 2)]
        [0.0, 1.0, 0.75, 0.5, 0.25, 0.0]
        >>> linear_warmup(8, total=10, warmup=0.2, constant_from=0.6)
        0.5
    """
    rising = int(warmup * total)
    step = min(step, int(constant_from * total))
    if step < rising:
        return step / rising
    return max(0.0, (total - step) / max(1, total - rising))


def warmup_scheduler(
    optimizer: Optimizer, *, total: int, warmup: float, constant_from: float = 1.0
) -> LambdaLR:
    """Return the scheduler of `linear_warmup`, to be stepped after every optimizer step.

    Args:
        optimizer: Optimizer with the peak learning rates.
        total: Optimizer steps of the whole run.
        warmup: Fraction of them with a rising rate.
        constant_from: Fraction of them after which the rate stays the same.
    """

    def factor(step: int) -> float:
        return linear_warmup(step, total=total, warmup=warmup, constant_from=constant_from)

    return LambdaLR(optimizer, factor)
