"""Callbacks for any Lightning project; they import neither configuration nor records.

Requirements, besides a `Trainer` with automatic optimization:

* `ReinitTopLayers`, `TrainPart`, `Mixout` and `WeightChangeMonitor`: a module whose `model` is a
  sequence-classification model of a supported architecture (`HasModel`).
* `BiasRatioMonitor`: the same, and torch's Adam or AdamW, or `BertAdam`, as the first optimizer.
* `LinearProbe`: the same, a `forward` that takes a batch, labels in `batch["labels"]` or
  `batch.labels`, and training rows from its argument or from the data module (`HasRows`).
* `TrainingLossMonitor`: a `training_step` that returns the loss or a dict with "loss".
* `BestWeights`: a validation that logs the monitored key.
* `ValidationSchedule` and `StopAfter`: a Trainer with `val_check_interval=1` and
  `check_val_every_n_epoch=None` that knows the number of its steps.

The methods change every model once, at its first fit. Monitors, schedule and best weights start
over with every fit, so one instance can serve several trainings; a fit that resumes from a
checkpoint (`ckpt_path`) continues with the state in it.

If something is missing, an error at the start of training or at the first validation names it. The
methods apply in the order `ReinitTopLayers`, `TrainPart`, `Mixout`, `LinearProbe`, and are listed
before the monitors.
"""

from stablebert.callbacks.best_weights import BestWeights
from stablebert.callbacks.bias_ratio import BiasRatioMonitor
from stablebert.callbacks.linear_probe import LinearProbe
from stablebert.callbacks.mixout import Mixout
from stablebert.callbacks.protocols import HasModel, HasRows
from stablebert.callbacks.reinit import ReinitTopLayers
from stablebert.callbacks.train_part import TrainPart
from stablebert.callbacks.training_loss import TrainingLossMonitor
from stablebert.callbacks.validation import StopAfter, ValidationSchedule
from stablebert.callbacks.weight_change import WeightChangeMonitor

__all__ = [
    "BestWeights",
    "BiasRatioMonitor",
    "HasModel",
    "HasRows",
    "LinearProbe",
    "Mixout",
    "ReinitTopLayers",
    "StopAfter",
    "TrainPart",
    "TrainingLossMonitor",
    "ValidationSchedule",
    "WeightChangeMonitor",
]
