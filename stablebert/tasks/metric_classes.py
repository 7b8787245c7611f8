"""Metrics that are classes of torchmetrics: which of them a task may have, and their scores.

Loads torch, so it is imported only where there is such a metric.
"""

import inspect
import math
import re
import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import classification, regression

from stablebert.tasks.metrics import Argument, Metric

Values = Tensor | NDArray[np.float64]
_NO_ARGUMENTS = {
    *("task", "num_classes", "num_labels", "num_outputs", "multioutput", "kwargs"),
    *("top_k", "multidim_average", "validate_args"),
}
"""Arguments that follow from the task, or have no effect on one prediction per row."""


def metric_of_class(name: str, arguments: Mapping[str, Any], *, num_labels: int) -> Metric:
    """Return the metric that a class of torchmetrics computes.

    With two labels, a class scores the second one, unless `average` is given.

    Args:
        name: A class of `torchmetrics.classification` that exists for any number of labels, such
            as F1Score, or of `torchmetrics.regression`.
        arguments: Its arguments, without those that follow from the labels.
        num_labels: Number of labels; 1 for a regression.

    Raises:
        ValueError: If there is no such class, an argument is wrong, or it does not return one
            number for predicted classes or, of a regression, scores.
    """
    allowed = _allowed_arguments(name, num_labels)
    for key, value in arguments.items():
        if key not in allowed:
            raise ValueError(f"{name}: unknown argument {key}; allowed: {', '.join(allowed)}")
        if not isinstance(value, Argument):
            raise ValueError(f"{name}.{key}: expected a number or a name, got {value!r:.80}")
    if num_labels > 2 and "average" in allowed and "average" not in arguments:
        raise ValueError(
            f"{name}: needs an average of the {num_labels} labels, such as {name}: "
            "{average: macro}; also micro or weighted"
        )
    values = sorted(arguments.items())
    suffixes = [v if isinstance(v, str) else f"{key} {v}" for key, v in values]
    return Metric(
        key=re.sub("[^A-Za-z0-9]+", "_", " ".join([name, *suffixes])),
        title=name + (f" ({', '.join(f'{key}={v}' for key, v in values)})" if values else ""),
        lowest=_lowest(name, arguments, num_labels),
        class_name=name,
        arguments=tuple(sorted(_complete(arguments, num_labels).items())),
    )


def score_with_class(metric: Metric, predictions: Values, labels: Values) -> float:
    """Return the score of predictions: classes, or scores of a regression.

    An undefined score (NaN), such as the correlation of constant predictions, is 0 if the metric
    may be reported.

    Args:
        metric: A metric that is a class of torchmetrics.
        predictions: `(N,)`.
        labels: `(N,)`.
    """
    score = _score(metric.class_name, dict(metric.arguments), predictions, labels)
    return 0.0 if math.isnan(score) and metric.lowest is not None else score


def _score(
    name: str, arguments: Mapping[str, Argument], predictions: Values, labels: Values
) -> float:
    is_classes = "task" in arguments
    package, dtype = (classification, torch.long) if is_classes else (regression, torch.float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of memory, and of scores that are undefined
        metric = getattr(package, name)(**arguments)
        metric.update(*(torch.as_tensor(x).to(dtype) for x in (predictions, labels)))
        value = metric.compute()
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise ValueError("returns more than one number")
    return float(value)


def _allowed_arguments(name: str, num_labels: int) -> list[str]:
    if num_labels == 1:
        names, prefix = list(regression.__all__), ""
    else:
        prefix = "Multiclass"
        names = [x.removeprefix(prefix) for x in classification.__all__ if x.startswith(prefix)]
    if name not in names:
        kind = "a regression" if num_labels == 1 else f"{num_labels} labels"
        base = re.sub("^(Binary|Multiclass|Multilabel)", "", name)
        near = get_close_matches(base.lower(), [x.lower() for x in names], n=1)
        advice = [f"; did you mean {x}?" for x in names if [x.lower()] == near]
        raise ValueError(f"{name}: no metric of {kind}{''.join(advice)}")
    package = regression if num_labels == 1 else classification
    parameters = inspect.signature(getattr(package, prefix + name)).parameters
    if "thresholds" in parameters:  # some of these classes accept predicted classes, for nothing
        raise ValueError(
            f"{name}: scores probabilities, and metrics of a task score predicted classes, as "
            "F1Score and CohenKappa do"
        )
    no_arguments = _NO_ARGUMENTS | ({"threshold"} if num_labels > 1 else set())
    return [parameter for parameter in parameters if parameter not in no_arguments]


def _complete(arguments: Mapping[str, Argument], num_labels: int) -> dict[str, Argument]:
    """Return the arguments, and those that follow from the number of labels."""
    if num_labels == 1:
        return dict(arguments)
    if num_labels == 2 and "average" not in arguments:
        return {**arguments, "task": "binary"}
    return {**arguments, "task": "multiclass", "num_classes": num_labels}


def _lowest(name: str, arguments: Mapping[str, Argument], num_labels: int) -> int | None:
    """Return -1 if perfect predictions score 1 and no others more, or less than -1; else None.

    Scores examples, because attributes of some classes of torchmetrics are missing or wrong.
    """
    if num_labels == 1:
        labels = torch.arange(1.0, 6)
        wrong = torch.tensor([0.0, 100, -100, 50, 3])
    else:
        labels = torch.arange(num_labels).repeat(2)
        wrong = labels.roll(1)
    values = _complete(arguments, num_labels)
    try:
        best, other = (_score(name, values, x, labels) for x in (labels, wrong))
    except Exception as error:  # of any kind, by what the user's arguments mean to the class
        reason = " ".join(str(error).split())
        what = "predicted scores" if num_labels == 1 else "predicted classes"
        raise ValueError(f"{name}: cannot score {what} ({reason})") from error
    return -1 if abs(best - 1) < 1e-6 and -1 <= other <= 1 else None
