"""The learning-rate schedule: linear warm-up, then linear decay to 0."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def linear_warmup(step: int, *, total: int, warmup: float) -> float:
    """Factor on the learning rate before optimizer step `step` (from 0) of `total`.

    Linear from 0 over the first `int(warmup * total)` steps, then linear to 0 at `total`; so the
    very first update has rate 0, as in the released code (transformers 2.8, `optimization.py`).
    """
    rising = int(warmup * total)
    if step < rising:
        return step / rising
    return max(0.0, (total - step) / max(1, total - rising))


def warmup_scheduler(optimizer: Optimizer, *, total: int, warmup: float) -> LambdaLR:
    """Scheduler of `linear_warmup`, to be stepped after every optimizer step."""
    return LambdaLR(optimizer, lambda step: linear_warmup(step, total=total, warmup=warmup))
