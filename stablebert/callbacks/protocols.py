"""Requirements of callbacks on a LightningModule and on a data module."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from stablebert.models.architectures import ARCHITECTURES


@runtime_checkable
class HasModel(Protocol):
    """A module with a sequence-classification model of the transformers library.

    Attributes:
        model: The model, of an architecture in `models.architectures.ARCHITECTURES`.
    """

    model: nn.Module


@runtime_checkable
class HasRows(Protocol):
    """A data module that gives the rows of a split in a fixed order, each once."""

    def rows_dataloader(self, name: str) -> Iterable[Any]:
        """Return the batches of `train`, `val` or `test`."""


def model_of(pl_module: LightningModule, callback: Callback) -> nn.Module:
    """Return the model of a module.

    Args:
        pl_module: Module of the user's project.
        callback: Callback that needs the model, named in the error.

    Raises:
        TypeError: If the module has no `model`.
    """
    if not isinstance(pl_module, HasModel):
        raise TypeError(
            f"{type(callback).__name__} needs an attribute `model` of {type(pl_module).__name__}: "
            "a sequence-classification model of the transformers library "
            f"({', '.join(ARCHITECTURES)})"
        )
    return pl_module.model


def training_rows_of(trainer: Trainer, callback: Callback) -> Iterable[Any]:
    """Return the batches of all training rows from the data module.

    Args:
        trainer: Trainer that was given a data module.
        callback: Callback that needs the rows, named in the error.

    Raises:
        TypeError: If there is no data module, or it has no `rows_dataloader`.
    """
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, HasRows):
        raise TypeError(
            f"{type(callback).__name__} needs the training rows: pass batches as `rows=`, or a "
            "data module with a method `rows_dataloader(name)` to `Trainer.fit`; got "
            f"{'no data module' if data is None else type(data).__name__}"
        )
    return data.rows_dataloader("train")
