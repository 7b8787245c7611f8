"""Requirements of callbacks on a Trainer, a LightningModule and a data module."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy

from stablebert.models.location import LocatedModel, locate_model


@runtime_checkable
class HasRows(Protocol):
    """A data module that gives the rows of a split in a fixed order, each once."""

    def rows_dataloader(self, name: str) -> Iterable[Any]:
        """Return the batches of `train`, `val` or `test`."""


def model_of(
    trainer: Trainer, pl_module: LightningModule, callback: Callback, encoder: str | None
) -> LocatedModel:
    """Return the model in a module; see `locate_model`.

    Args:
        trainer: Trainer of the module.
        pl_module: Module of the user's project.
        callback: Callback that needs the model, named in errors.
        encoder: Path of the model in the module, if there are several.

    Raises:
        TypeError: If there is no model of the transformers library, or several.
        ValueError: If there is none at the path, its architecture is not supported, or the Trainer
            splits it among devices.
    """
    require_whole_model(trainer, callback)
    try:
        return locate_model(pl_module, encoder)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{type(callback).__name__}: {error}") from None


def require_whole_model(trainer: Trainer, callback: Callback) -> None:
    """Refuse a Trainer that splits the model among devices.

    Raises:
        ValueError: If it does.
    """
    if isinstance(trainer.strategy, FSDPStrategy | ModelParallelStrategy | DeepSpeedStrategy):
        raise ValueError(
            f"{type(callback).__name__} needs the whole model on every device; got "
            f"{type(trainer.strategy).__name__}: use one device or strategy='ddp'"
        )


def require_repeatable(rows: Iterable[Any] | None, callback: Callback) -> None:
    """Refuse rows that can be read once only.

    Raises:
        TypeError: If they are an iterator.
    """
    if isinstance(rows, Iterator):
        raise TypeError(
            f"{type(callback).__name__}: rows is a {type(rows).__name__}, which can be read once "
            "only; pass a list or a DataLoader"
        )


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
