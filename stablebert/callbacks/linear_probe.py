"""Fitting of the head alone before full fine-tuning: LP-FT (Kumar et al., 2022)."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from typing_extensions import override

from stablebert.callbacks.protocols import require_repeatable, training_rows_of
from stablebert.callbacks.stateful import StatefulCallback, Treatment
from stablebert.losses import fine_tuning_loss
from stablebert.models.location import layers


def fit_linear_head(
    features: Tensor, labels: Tensor, *, classes: int, l2: float
) -> tuple[Tensor, Tensor]:
    """Return the linear head that minimizes loss + λ ‖W‖² / (2 N), in float64.

    The loss is the mean cross-entropy, or the mean squared error for one class: a logistic or ridge
    regression, convex, solved by L-BFGS from 0 to convergence.

    Args:
        features: `(N, H)`.
        labels: `(N,)`.
        classes: C; 1 is a regression.
        l2: Strength λ, the same as 1 / C in scikit-learn's LogisticRegression.

    Returns:
        Weight `(C, H)` and bias `(C,)`.

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([1.0, 3.0, 5.0])
        >>> weight, bias = fit_linear_head(x, y, classes=1, l2=0.0)
        >>> round(weight.item(), 3), round(bias.item(), 3)
        (2.0, 1.0)
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
        torch.autograd.backward(loss)
        return loss

    with torch.enable_grad():
        solver.step(closure)  # type: ignore[no-untyped-call]  # not typed in torch
    return weight.detach(), bias.detach()


@torch.no_grad()
def head_inputs(
    pl_module: LightningModule, head: nn.Linear, batches: Iterable[Any]
) -> tuple[Tensor, Tensor]:
    """Run batches through a module without dropout and record the inputs of its head.

    Args:
        pl_module: Module whose `forward` takes a batch; it is left in training mode.
        head: Linear inside the module.
        batches: Batches with labels in `batch["labels"]` or `batch.labels`.

    Returns:
        Inputs of the head in float32, `(N, H)`, and labels, `(N,)`: of rows or, if every token has
        a label, of tokens whose label is not -100.

    Raises:
        TypeError: If a batch has no labels.
        ValueError: If `forward` does not call the head.
    """
    inputs: list[Tensor] = []
    labels: list[Tensor] = []
    hook = head.register_forward_pre_hook(
        lambda _, args: inputs.append(args[0].float().flatten(0, -2))
    )
    pl_module.eval()
    try:
        for batch in batches:
            batch = pl_module.transfer_batch_to_device(batch, pl_module.device, 0)
            pl_module(batch)
            labels.append(_labels_of(batch).flatten())
    finally:
        hook.remove()
        pl_module.train()
    if list(map(len, inputs)) != list(map(len, labels)):
        raise ValueError(
            f"LinearProbe: {type(pl_module).__name__}.forward(batch) must call the classifier "
            "once, with one input for each label"
        )
    x, y = torch.cat(inputs), torch.cat(labels)
    has_label = y != -100  # the value that cross-entropy ignores
    return x[has_label], y[has_label]


def _labels_of(batch: Any) -> Tensor:
    labels = batch.get("labels") if isinstance(batch, dict) else getattr(batch, "labels", None)
    if not isinstance(labels, Tensor):
        raise TypeError(
            'LinearProbe needs labels in batch["labels"] or batch.labels; got a '
            f"{type(batch).__name__} without them"
        )
    return labels


class LinearProbe(Treatment):
    """Callback that fits the last Linear of a model's classifier before the first step.

    The head of a token classifier is fitted to all tokens with a label other than -100.

    It reads the training rows once, without dropout. List it before callbacks that remember where
    training started.

    Args:
        l2: Strength of the regularization; see `fit_linear_head`.
        rows: Batches of the training rows, each row once; None takes
            `rows_dataloader("train")` of the data module (`HasRows`).
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        TypeError: If `rows` is an iterator; at the start of training, if the module has no model,
            or several, or no head, or one without a bias, there are no training rows, or their
            batches have no labels.
        ValueError: At the start of training, if `forward(batch)` does not call the classifier.
    """

    def __init__(self, l2: float, *, rows: Iterable[Any] | None = None, encoder: str | None = None):
        super().__init__(encoder)
        require_repeatable(rows, self)
        self.l2 = l2
        self.rows = rows

    @override
    def new_state(self) -> dict[str, Any]:
        return {"is_fitted": False}

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        StatefulCallback.setup(self, trainer, pl_module, stage)  # the rows are needed, so not yet
        self._names = []

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.treat_once(trainer, pl_module)
        self.state["is_fitted"] = True

    @override
    def treat(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        if not self.state["is_fitted"]:  # a checkpoint brings a fitted head
            self._fit_head(trainer, pl_module)
        return ["classifier"]

    def _fit_head(self, trainer: Trainer, pl_module: LightningModule) -> None:
        classifier = layers(pl_module, self.encoder).get("classifier", nn.Module())
        linears = [module for module in classifier.modules() if isinstance(module, nn.Linear)]
        if not linears:
            raise TypeError(f"LinearProbe: {type(pl_module).__name__} has no Linear on its encoder")
        head = linears[-1]
        if head.bias is None:
            raise TypeError(
                f"LinearProbe: the last Linear on the encoder of {type(pl_module).__name__} has no "
                "bias, and the fit needs one"
            )
        rows = training_rows_of(trainer, self) if self.rows is None else self.rows
        features, labels = head_inputs(pl_module, head, rows)
        weight, bias = fit_linear_head(features, labels, classes=head.out_features, l2=self.l2)
        with torch.no_grad():
            head.weight.copy_(weight)
            head.bias.copy_(bias)
