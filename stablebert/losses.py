"""What training minimises."""

from torch import Tensor
from torch.nn import functional as F


def fine_tuning_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy, or mean squared error where there is one logit.

    Args:
        logits: `(B, C)`; `(B, 1)` for a regression.
        labels: `(B,)`.
    """
    if logits.shape[1] == 1:
        return F.mse_loss(logits[:, 0], labels)
    return F.cross_entropy(logits, labels)


def rdrop_loss(first: Tensor, second: Tensor, labels: Tensor, *, alpha: float) -> Tensor:
    r"""R-Drop (Wu et al., 2021, eq. 4), halved, so that it stays a mean over rows.

    With the predictions :math:`P_1, P_2` of two dropout passes,

    .. math:: \tfrac12 (-\log P_1 - \log P_2) + \tfrac{\alpha}{4} (KL(P_1‖P_2) + KL(P_2‖P_1))

    A regression's squared error is twice the negative log-likelihood of a normal distribution of
    variance 1, whose divergences are both half the squared difference: there the second term is
    :math:`\tfrac{\alpha}{2} (y_1 - y_2)^2`.

    Args:
        first: logits of one pass, `(B, C)`.
        second: of the other.
        labels: `(B,)`.
        alpha: weight of the divergence.
    """
    fit = (fine_tuning_loss(first, labels) + fine_tuning_loss(second, labels)) / 2
    if first.shape[1] == 1:
        return fit + alpha / 2 * F.mse_loss(first, second)
    p, q = first.log_softmax(1), second.log_softmax(1)
    both_ways = ((p.exp() - q.exp()) * (p - q)).sum(1)  # KL(p‖q) + KL(q‖p), without logs of 0
    return fit + alpha / 4 * both_ways.mean()
