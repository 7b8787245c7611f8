"""State of callbacks: it belongs to one fit, or to one module."""

from typing import Any
from uuid import uuid4

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import nn
from typing_extensions import override

from stablebert.callbacks.protocols import model_of


class StatefulCallback(Callback):
    """Callback whose state belongs to one fit.

    Every fit starts from `new_state()`, so one instance can accompany several trainings. Lightning
    saves the state with checkpoints, and a fit that resumes from one continues with it. Validation
    and testing outside of a fit leave the state alone, even if they load a checkpoint.

    Args:
        key: Distinguishes instances of one class in one Trainer.

    Attributes:
        state: Numbers, texts and tensors by name; tensors are on the device of the module.
    """

    def __init__(self, key: str | None = None) -> None:
        self._key = key
        self._resume_on: torch.device | None = None
        self.state = self.new_state()

    def new_state(self) -> dict[str, Any]:
        """Return the state at the start of a fit."""
        return {}

    @property
    @override
    def state_key(self) -> str:
        name = type(self).__qualname__
        return name if self._key is None else f"{name}({self._key})"

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Lightning calls this before it loads a checkpoint, whatever the stage
        self._resume_on = pl_module.device if stage == "fit" else None
        if stage == "fit":
            self.state = self.new_state()

    @override
    def state_dict(self) -> dict[str, Any]:
        return self.state

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if self._resume_on is not None:
            self.state |= move_data_to_device(state_dict, self._resume_on)


class Treatment(StatefulCallback):
    """Callback that changes a model once, before it is trained.

    The module and its model are marked: neither a second fit nor the test of a trained model
    changes it again, while the same instance changes the next model.

    Args:
        encoder: Path of the model in the module, if there are several; see `locate_model`.
    """

    def __init__(self, encoder: str | None = None) -> None:
        super().__init__(key=encoder)
        self.encoder = encoder
        self._id = uuid4().hex
        self._names: list[str] = []

    def treat(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        """Change the model, and return the names of the parts that changed."""
        raise NotImplementedError

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if stage == "fit":
            if is_overridden("configure_model", pl_module):
                _configure_model(trainer, pl_module)
            self.treat_once(trainer, pl_module)

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        located = model_of(trainer, pl_module, self, self.encoder)
        if self._names and self._id not in _marks(located.model):
            raise ValueError(
                f"{type(self).__name__} changed a model that {type(pl_module).__name__} replaced "
                "afterward: create it in __init__, or in configure_model if it does not exist yet"
            )

    def treat_once(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Change the model unless this instance has changed it before."""
        located = model_of(trainer, pl_module, self, self.encoder)
        marks = [_marks(module) for module in (pl_module, located.model)]
        if all(self._id in mark for mark in marks):
            self._names = marks[0][self._id]
        else:
            self._names = self.treat(trainer, pl_module)
        for mark in marks:
            mark[self._id] = self._names


def _configure_model(trainer: Trainer, pl_module: LightningModule) -> None:
    """Let a module create its model, as Lightning does after `setup`.

    Lightning calls the hook again, and requires that it does nothing then.
    """
    with (
        trainer.strategy.tensor_init_context(),
        trainer.strategy.model_sharded_context(),
        trainer.precision_plugin.module_init_context(),
    ):
        pl_module.configure_model()


def _marks(module: nn.Module) -> dict[str, list[str]]:
    """Return the parts that treatments changed, by instance; a copy of the module has them too."""
    marks: dict[str, list[str]] = vars(module).setdefault("_treatments", {})
    return marks


def is_validation_of_fit(trainer: Trainer) -> bool:
    """Return whether a validation belongs to training.

    Others are those of `Trainer.validate` and the sanity check before the first step.
    """
    return trainer.state.fn == "fit" and not trainer.sanity_checking
