"""Somebody else's Lightning project: a plain module around a BERT, its data and its Trainer."""

import lightning as L
import torch
from lightning.pytorch.loggers import Logger
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from stablebert.callbacks import (
    AddAdapters,
    AddNoise,
    BestWeights,
    BiasRatioMonitor,
    LinearProbe,
    Mixout,
    ReinitTopLayers,
    RepresentationChangeMonitor,
    StopAfter,
    TrainingLossMonitor,
    TrainPart,
    ValidationSchedule,
    WeightChangeMonitor,
)
from stablebert.models.loading import load_model

SETTINGS = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "val_check_interval": 1,
    "check_val_every_n_epoch": None,
}
"""Arguments of a quiet Trainer that a `ValidationSchedule` accepts."""


class Recorder(Logger):
    """Logger that keeps the numbers of every step."""

    name, version = "recorder", ""

    def __init__(self):
        self.lines = {}

    def log_metrics(self, metrics, step=None):
        self.lines.setdefault(step, {}).update(metrics)

    def log_hyperparams(self, *args, **kwargs):
        pass


class ForeignModule(L.LightningModule):
    """LightningModule that uses nothing of stablebert's training, with a BERT as `model`."""

    def __init__(self, folder, rate=1e-3, scores=()):
        super().__init__()
        self.model = load_model(folder, num_labels=2, seed=0)
        self.learning_rate = rate
        self.scores = iter(scores)
        self.validated = []
        self.batches = []

    def training_step(self, batch, _):
        self.batches.append(batch[1].tolist())
        return F.cross_entropy(self.model(input_ids=batch[0]).logits, batch[1])

    def validation_step(self, batch, batch_idx):
        self.model(input_ids=batch[0])

    def on_validation_epoch_end(self):
        self.validated.append(self.trainer.global_step)
        self.log("val/score", next(self.scores, 0.5))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.model.parameters(), lr=self.learning_rate)


def foreign_loader(rows, batch_size, shuffle=False):
    """Return batches of (ids, labels)."""
    rng = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randint(5, 60, (rows, 6), generator=rng), torch.arange(rows) % 2)
    order = torch.Generator().manual_seed(0)
    return DataLoader(data, batch_size, shuffle=shuffle, generator=order)


def fit_foreign(module, callbacks, *, rows=32, batch_size=4, recorder=None, **settings):
    """Train a module for three epochs of `rows / batch_size` steps and return its Trainer."""
    settings = SETTINGS | {"logger": recorder or False, "max_epochs": 3} | settings
    trainer = L.Trainer(callbacks=callbacks, **settings)
    trainer.fit(module, foreign_loader(rows, batch_size, shuffle=True), foreign_loader(8, 8))
    return trainer


class DictModule(ForeignModule):
    """Module with a `forward`, and batches that are dicts."""

    def forward(self, batch):
        return self.model(input_ids=batch["input_ids"]).logits

    def training_step(self, batch, _):
        return F.cross_entropy(self(batch), batch["labels"])

    def validation_step(self, batch, batch_idx):
        self(batch)

    test_step = validation_step


def dict_batches():
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 60, (4, 4, 6), generator=rng)
    return [{"input_ids": x, "labels": torch.tensor([0, 1, 0, 1])} for x in ids]


def fit_dicts(module, *chain, recorder=None, batches=None, ckpt_path=None, **settings):
    """Train a module for one epoch of four steps, and return its Trainer."""
    settings = SETTINGS | {"logger": recorder or False, "max_steps": 4} | settings
    loader = DataLoader(batches or dict_batches(), batch_size=None)
    trainer = L.Trainer(callbacks=list(chain), **settings)
    trainer.fit(module, loader, loader, ckpt_path=ckpt_path)
    return trainer


CALLBACKS = {
    "AddAdapters": lambda: AddAdapters("lora"),
    "AddNoise": lambda: AddNoise(0.3),
    "BestWeights": lambda: BestWeights("val/score"),
    "BiasRatioMonitor": BiasRatioMonitor,
    "LinearProbe": lambda: LinearProbe(1.0, rows=dict_batches()),
    "Mixout": lambda: Mixout(0.5),
    "ReinitTopLayers": lambda: ReinitTopLayers(1),
    "RepresentationChangeMonitor": lambda: RepresentationChangeMonitor(dict_batches()),
    "StopAfter": lambda: StopAfter(1.0, 2),
    "TrainPart": lambda: TrainPart(["classifier"]),
    "TrainingLossMonitor": TrainingLossMonitor,
    "ValidationSchedule": lambda: ValidationSchedule(2),
    "WeightChangeMonitor": WeightChangeMonitor,
}
"""A function that builds each callback, by its name."""
