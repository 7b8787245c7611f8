"""Fit the head alone before all is trained: LP-FT (Kumar et al., 2022)."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from typing_extensions import override

from stablebert.losses import fine_tuning_loss
from stablebert.models.architectures import layers


def fit_linear_head(
    features: Tensor, labels: Tensor, *, classes: int, l2: float
) -> tuple[Tensor, Tensor]:
    r"""The linear head that minimises loss :math:`+ \frac{λ}{2N} ‖W‖^2`, in float64.

    The loss is the mean cross-entropy, or for one class the mean squared error: a logistic or a
    ridge regression, convex, from 0 by L-BFGS to the end.

    Args:
        features: `(N, H)`.
        labels: `(N,)`.
        classes: C; 1 is a regression.
        l2: the strength :math:`λ`, as 1 / C of scikit-learn's LogisticRegression.

    Returns:
        Weight `(C, H)` and bias `(C,)`.
    """
    x = features.double()
    y = labels.double() if classes == 1 else labels
    weight = x.new_zeros(classes, x.shape[1], requires_grad=True)
    bias = x.new_zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias],
        max_iter=1000,
        tolerance_grad=1e-7,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        solver.zero_grad()
        loss = fine_tuning_loss(x @ weight.T + bias, y) + l2 / (2 * len(x)) * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        solver.step(closure)
    return weight.detach(), bias.detach()


@torch.no_grad()
def head_inputs(pl_module: LightningModule, head: nn.Linear, batches: Any) -> tuple[Tensor, Tensor]:
    """What reaches the head of each row, without dropout, `(N, H)`; and labels `(N,)`."""
    seen: list[Tensor] = []
    labels: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float()))
    pl_module.eval()
    try:
        for batch in batches:
            moved = pl_module.transfer_batch_to_device(batch, pl_module.device, 0)
            pl_module(moved)
            labels.append(moved["labels"] if isinstance(moved, dict) else moved.labels)
    finally:
        hook.remove()
        pl_module.train()
    return torch.cat(seen), torch.cat(labels)


class LinearProbe(Callback):
    """Fits the last Linear of `pl_module.model`'s classifier before the first step.

    Reads the training rows once, without dropout. List it before what remembers where training
    started.

    Args:
        l2: strength of the regularisation, see `fit_linear_head`.

    Example:
        >>> Trainer(callbacks=[LinearProbe(1.0)])  # doctest: +SKIP
    """

    def __init__(self, l2: float):
        self.l2 = l2

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        classifier = layers(pl_module.model)["classifier"]
        head = [module for module in classifier.modules() if isinstance(module, nn.Linear)][-1]
        features, labels = head_inputs(pl_module, head, trainer.datamodule.rows_dataloader("train"))
        weight, bias = fit_linear_head(features, labels, classes=head.out_features, l2=self.l2)
        with torch.no_grad():
            head.weight.copy_(weight)
            head.bias.copy_(bias)
