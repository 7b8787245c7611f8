"""Callbacks for any Lightning project; they import neither configuration nor records.

Requirements, besides a `Trainer` that keeps the whole model on every device:

* `AddNoise`, `ReinitTopLayers`, `AddAdapters`, `TrainPart`, `Mixout`, `LinearProbe`,
  `BiasRatioMonitor`, `WeightChangeMonitor` and `RepresentationChangeMonitor`: a module with a model
  of the transformers library, of a supported architecture, under any name: bare with a head around
  it, or with a head of its own. It is created in `__init__` or `configure_model`. If there are
  several, `encoder="student"` chooses one.
* `AddAdapters`: the package peft.
* `BiasRatioMonitor`: torch's Adam or AdamW, or `BertAdam`, as the first optimizer.
* `LinearProbe`: a `forward` that takes a batch, labels in `batch["labels"]` or `batch.labels`, and
  training rows from its argument or from the data module (`HasRows`).
* `RepresentationChangeMonitor`: padded batches of a sample of rows, as a tokenizer returns them.
* `TrainingLossMonitor`: a `training_step` that returns the loss or a dict with "loss".
* `BestWeights`: a validation that logs the monitored key.
* `ValidationSchedule` and `StopAfter`: a Trainer with `val_check_interval=1` and
  `check_val_every_n_epoch=None` that knows the number of its steps.

The methods change every model once, at its first fit. Monitors, schedule and best weights start
over with every fit, so one instance can serve several trainings; a fit that resumes from a
checkpoint (`ckpt_path`) continues with the state in it.

If something is missing, an error at the start of training or at the first validation names it. The
methods apply in the order `AddNoise`, `ReinitTopLayers`, `AddAdapters`, `TrainPart`, `Mixout`,
`LinearProbe`, and are listed before the monitors.
"""

from stablebert.callbacks.adapters import AddAdapters
from stablebert.callbacks.best_weights import BestWeights
from stablebert.callbacks.bias_ratio import BiasRatioMonitor
from stablebert.callbacks.linear_probe import LinearProbe
from stablebert.callbacks.mixout import Mixout
from stablebert.callbacks.noise import AddNoise
from stablebert.callbacks.protocols import HasRows
from stablebert.callbacks.reinit import ReinitTopLayers
from stablebert.callbacks.representation_change import RepresentationChangeMonitor
from stablebert.callbacks.train_part import TrainPart
from stablebert.callbacks.training_loss import TrainingLossMonitor
from stablebert.callbacks.validation import StopAfter, ValidationSchedule
from stablebert.callbacks.weight_change import WeightChangeMonitor

__all__ = [
    "AddAdapters",
    "AddNoise",
    "BestWeights",
    "BiasRatioMonitor",
    "HasRows",
    "LinearProbe",
    "Mixout",
    "ReinitTopLayers",
    "RepresentationChangeMonitor",
    "StopAfter",
    "TrainPart",
    "TrainingLossMonitor",
    "ValidationSchedule",
    "WeightChangeMonitor",
]
