"""State of callbacks: it belongs to one fit, or to one module."""

from typing import Any
from uuid import uuid4

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from typing_extensions import override

from stablebert.callbacks.protocols import model_of


class StatefulCallback(Callback):
    """Callback whose state belongs to one fit.

    Every fit starts from `new_state()`, so one instance can accompany several trainings. Lightning
    saves the state with checkpoints, and a fit that resumes from one continues with it. Validation
    and testing outside of a fit leave the state alone, also if they load a checkpoint.

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
    """

    def __init__(self, key: str | None = None) -> None:
        super().__init__(key)
        self._id = uuid4().hex
        self._names: list[str] = []

    def treat(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        """Change the model, and return the names of the parts that changed."""
        raise NotImplementedError

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if stage == "fit":
            self.treat_once(trainer, pl_module)

    def treat_once(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Change the model unless this instance has changed it before."""
        marks = [_marks(module) for module in (pl_module, model_of(pl_module, self))]
        if all(self._id in mark for mark in marks):
            _, self._names = marks[0][self._id]
        else:
            self._names = self.treat(trainer, pl_module)
        for mark in marks:
            mark[self._id] = type(self).__name__, self._names


def _marks(module: nn.Module) -> dict[str, tuple[str, list[str]]]:
    """Return the treatments of a module by instance; a copy of the module has them too."""
    marks: dict[str, tuple[str, list[str]]] = vars(module).setdefault("_treatments", {})
    return marks


def treated_names(pl_module: nn.Module, kind: type[Treatment]) -> list[str]:
    """Return the names of the parts of a module that treatments of a kind have changed."""
    marks = _marks(pl_module).values()
    return [name for treatment, names in marks if treatment == kind.__name__ for name in names]


def is_validation_of_fit(trainer: Trainer) -> bool:
    """Return whether a validation belongs to training.

    Others are those of `Trainer.validate` and the sanity check before the first step.
    """
    return trainer.state.fn == "fit" and not trainer.sanity_checking
