"""Loss functions of fine-tuning."""

from torch import Tensor
from torch.nn import functional as F


def fine_tuning_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy, or the mean squared error where there is one logit.

    Args:
        logits: `(B, C)`; `(B, 1)` for a regression.
        labels: `(B,)`, int64 classes or float scores.

    Returns:
        Scalar.

    Example:
        >>> import torch
        >>> fine_tuning_loss(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]))  # log 2
        tensor(0.6931)
        >>> fine_tuning_loss(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0]))
        tensor(2.)
    """
    if logits.shape[1] == 1:
        return F.mse_loss(logits[:, 0], labels)
    return F.cross_entropy(logits, labels)


def rdrop_loss(first: Tensor, second: Tensor, labels: Tensor, *, alpha: float) -> Tensor:
    """Return the R-Drop loss (Wu et al., 2021, eq. 4), halved, so that it is a mean over rows.

    With the predictions P₁, P₂ of two dropout passes,

        (-log P₁ - log P₂) / 2 + alpha (KL(P₁‖P₂) + KL(P₂‖P₁)) / 4

    The squared error of a regression is twice the negative log-likelihood of a normal distribution
    of variance 1, whose divergences are both half the squared difference, so its second term is
    alpha (y₁ - y₂)² / 2.

    Args:
        first: Logits of one pass, `(B, C)`.
        second: Logits of the other pass, `(B, C)`.
        labels: `(B,)`.
        alpha: Weight of the divergence.

    Returns:
        Scalar.
    """
    fit = (fine_tuning_loss(first, labels) + fine_tuning_loss(second, labels)) / 2
    if first.shape[1] == 1:
        return fit + alpha / 2 * F.mse_loss(first, second)
    p, q = first.log_softmax(1), second.log_softmax(1)
    both_ways = ((p.exp() - q.exp()) * (p - q)).sum(1)  # KL(p‖q) + KL(q‖p), without logs of 0
    return fit + alpha / 4 * both_ways.mean()
