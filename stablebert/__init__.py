"""Few-sample BERT fine-tuning on PyTorch Lightning: Zhang et al. (ICLR 2021), and beyond.

Public names are imported on first use, so that the command line does not load torch.

In bf16 on a CPU, oneDNN builds 8 to 19 kernels for every number of tokens in a batch. Three epochs
of RTE or CoLA in batches of 32 have 75 to 85 of these numbers, hence up to 1,700 kernels, of which
oneDNN keeps 1,024 by default. Importing this package sets ONEDNN_PRIMITIVE_CACHE_CAPACITY to 2048,
unless it is set.

Example:
    >>> import stablebert
    >>> [round(stablebert.analytic_bias_ratio(step, (0.9, 0.999)), 2) for step in (1, 12)]
    [3.16, 6.57]
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stablebert.callbacks import (
        BestWeights,
        BiasRatioMonitor,
        HasRows,
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
    from stablebert.config.compose import compose
    from stablebert.glue.datamodule import data_module
    from stablebert.models.loading import load_model, save_encoder
    from stablebert.models.location import layers, packed_forward
    from stablebert.models.surgery import reinitialize_top
    from stablebert.optim.adam import BertAdam, steps_taken
    from stablebert.optim.bias_ratio import analytic_bias_ratio
    from stablebert.optim.groups import decay_to_start, layer_rates, parameter_groups, split_by_rate
    from stablebert.optim.schedule import linear_warmup, warmup_scheduler
    from stablebert.packed.batch import PackedBatch, pack_rows
    from stablebert.packed.dropout import DropoutMasks
    from stablebert.runs.locate import locate
    from stablebert.training.module import GlueClassifier

# oneDNN reads it when it builds its first kernel; worker processes inherit it
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "2048")

__version__ = "0.1.0"

__all__ = [
    "BertAdam",
    "BestWeights",
    "BiasRatioMonitor",
    "DropoutMasks",
    "GlueClassifier",
    "HasRows",
    "LinearProbe",
    "Mixout",
    "PackedBatch",
    "ReinitTopLayers",
    "RepresentationChangeMonitor",
    "StopAfter",
    "TrainPart",
    "TrainingLossMonitor",
    "ValidationSchedule",
    "WeightChangeMonitor",
    "__version__",
    "analytic_bias_ratio",
    "compose",
    "data_module",
    "decay_to_start",
    "layer_rates",
    "layers",
    "linear_warmup",
    "load_model",
    "locate",
    "pack_rows",
    "packed_forward",
    "parameter_groups",
    "reinitialize_top",
    "save_encoder",
    "split_by_rate",
    "steps_taken",
    "warmup_scheduler",
]

_HOMES = {
    "BestWeights": "stablebert.callbacks",
    "BiasRatioMonitor": "stablebert.callbacks",
    "HasRows": "stablebert.callbacks",
    "LinearProbe": "stablebert.callbacks",
    "Mixout": "stablebert.callbacks",
    "ReinitTopLayers": "stablebert.callbacks",
    "RepresentationChangeMonitor": "stablebert.callbacks",
    "StopAfter": "stablebert.callbacks",
    "TrainPart": "stablebert.callbacks",
    "TrainingLossMonitor": "stablebert.callbacks",
    "ValidationSchedule": "stablebert.callbacks",
    "WeightChangeMonitor": "stablebert.callbacks",
    "compose": "stablebert.config.compose",
    "data_module": "stablebert.glue.datamodule",
    "layers": "stablebert.models.location",
    "packed_forward": "stablebert.models.location",
    "load_model": "stablebert.models.loading",
    "save_encoder": "stablebert.models.loading",
    "reinitialize_top": "stablebert.models.surgery",
    "BertAdam": "stablebert.optim.adam",
    "steps_taken": "stablebert.optim.adam",
    "analytic_bias_ratio": "stablebert.optim.bias_ratio",
    "decay_to_start": "stablebert.optim.groups",
    "layer_rates": "stablebert.optim.groups",
    "parameter_groups": "stablebert.optim.groups",
    "split_by_rate": "stablebert.optim.groups",
    "linear_warmup": "stablebert.optim.schedule",
    "warmup_scheduler": "stablebert.optim.schedule",
    "PackedBatch": "stablebert.packed.batch",
    "pack_rows": "stablebert.packed.batch",
    "DropoutMasks": "stablebert.packed.dropout",
    "locate": "stablebert.runs.locate",
    "GlueClassifier": "stablebert.training.module",
}
"""Module of each public name."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stablebert' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
