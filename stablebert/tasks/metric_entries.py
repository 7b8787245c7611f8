"""One value of the key `metrics` of a tasks file."""

from typing import Any

from stablebert.tasks.metrics import METRICS, Metric

_EXAMPLE = "F1Score: {average: macro}"
_CLASSES = {
    "Accuracy": "accuracy",
    "F1Score": "f1",
    "MatthewsCorrCoef": "mcc",
    "SpearmanCorrCoef": "spearman",
    "PearsonCorrCoef": "pearson",
}
"""Classes of torchmetrics whose values, without arguments, are those of a metric of GLUE."""


def parse_metric(value: Any, *, num_labels: int) -> Metric:
    """Return the metric that a name, or a name with arguments, means for a number of labels.

    Args:
        value: `accuracy`, `CohenKappa`, or `{F1Score: {average: macro}}`.
        num_labels: Number of labels; 1 for a regression.

    Raises:
        ValueError: If it means none.
    """
    name, arguments = next(iter(value.items())) if _is_pair(value) else (value, {})
    arguments = {} if arguments is None else arguments
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise ValueError(
            f"expected a name, or a name and arguments ({_EXAMPLE}); got {value!r:.80}"
        )
    names = _names(num_labels)
    if not arguments and _CLASSES.get(name, name) in names:
        return METRICS[_CLASSES.get(name, name)]
    if name == "mcc" and num_labels > 2:
        name = "MatthewsCorrCoef"
    if not name[:1].isupper():
        kind = f"{num_labels} labels" if num_labels > 1 else "a regression"
        advice = f", such as {_EXAMPLE}" if num_labels > 1 else ""
        reason = "takes no arguments" if name in names else f"no metric of {kind}"
        raise ValueError(
            f"{name}: {reason}; allowed: {', '.join(names)}, and classes of torchmetrics{advice}"
        )
    from stablebert.tasks.metric_classes import metric_of_class  # loads torch

    return metric_of_class(name, arguments, num_labels=num_labels)


def _names(num_labels: int) -> tuple[str, ...]:
    """Return the metrics of GLUE for a number of labels."""
    if num_labels == 1:
        return ("spearman", "pearson")
    return ("accuracy", "f1", "mcc") if num_labels == 2 else ("accuracy",)


def _is_pair(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1
