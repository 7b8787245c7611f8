"""What happens around training: callbacks, each usable in any Lightning project."""

from stablebert.callbacks.best_weights import BestWeights
from stablebert.callbacks.bias_ratio import BiasRatioMonitor
from stablebert.callbacks.linear_probe import LinearProbe
from stablebert.callbacks.mixout import Mixout
from stablebert.callbacks.reinit import ReinitTopLayers
from stablebert.callbacks.train_part import TrainPart
from stablebert.callbacks.training_loss import TrainingLossMonitor
from stablebert.callbacks.validation import StopAfter, ValidationSchedule
from stablebert.callbacks.weight_change import WeightChangeMonitor

__all__ = [
    "BestWeights",
    "BiasRatioMonitor",
    "LinearProbe",
    "Mixout",
    "ReinitTopLayers",
    "StopAfter",
    "TrainPart",
    "TrainingLossMonitor",
    "ValidationSchedule",
    "WeightChangeMonitor",
]
